"""Why running a job twice does no harm: a strategy and the reason that it holds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Idempotency:
    strategy: str
    why: str

    def __post_init__(self) -> None:
        if not self.why.strip():
            raise ValueError(f"idempotency {self.strategy!r} needs the reason why it holds")

    def __str__(self) -> str:
        return f"{self.strategy}: {self.why}"


def natural(why: str) -> Idempotency:
    """Doing it again finds nothing to do."""
    return Idempotency("natural", why)


def flag_check(why: str) -> Idempotency:
    """A flag on the thing says that it was done."""
    return Idempotency("flag check", why)


def upsert(why: str) -> Idempotency:
    """Doing it again writes the same values to the same keys."""
    return Idempotency("upsert", why)


def keyed(why: str) -> Idempotency:
    """Every write carries a key that the receiver remembers."""
    return Idempotency("idempotency key", why)


def version_check(why: str) -> Idempotency:
    """Every write carries the version that it was decided on."""
    return Idempotency("version check", why)
