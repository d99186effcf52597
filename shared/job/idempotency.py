"""Idempotency of a job: its strategy and the reason for it.

The reason explains why a repeated run does no harm.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Idempotency:
    strategy: str
    why: str

    def __post_init__(self) -> None:
        if not self.why.strip():
            raise ValueError(f"idempotency {self.strategy!r} needs the reason for it")

    def __str__(self) -> str:
        return f"{self.strategy}: {self.why}"


def natural(why: str) -> Idempotency:
    """A repeated run finds nothing to do."""
    return Idempotency("natural", why)


def flag_check(why: str) -> Idempotency:
    """A flag on the item records that it was done."""
    return Idempotency("flag check", why)


def upsert(why: str) -> Idempotency:
    """A repeated run writes the same values to the same keys."""
    return Idempotency("upsert", why)


def keyed(why: str) -> Idempotency:
    """Every write has an idempotency key that the receiver recognises."""
    return Idempotency("idempotency key", why)


def version_check(why: str) -> Idempotency:
    """Every write is conditional on the version that it was decided on."""
    return Idempotency("version check", why)
