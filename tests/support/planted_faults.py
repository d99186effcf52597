"""Faults to plant into the product in tests."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import pytest

from shared.job import lease_margin
from shared.run import claim, claim_write
from shared.run.context import RunContext
from shared.store import transaction

ALWAYS = "attribute_exists(pk) OR attribute_not_exists(pk)"


def unconditional_counter(patch: pytest.MonkeyPatch) -> None:
    """Add to counters also where the batch was counted."""
    request = transaction.Condition.request

    def always(self: transaction.Condition) -> dict[str, Any]:
        made = request(self)
        if condition := made.get("ConditionExpression"):
            made["ConditionExpression"] = f"{condition} OR {ALWAYS}"
        return made

    patch.setattr(transaction.Condition, "request", always)


def missing_fence(patch: pytest.MonkeyPatch) -> None:
    """Write the end of a run whoever holds the lease now."""
    patch.setattr(claim, "HOLDS_LEASE", f"{claim_write.HOLDS_LEASE} OR {ALWAYS}")


def early_release(patch: pytest.MonkeyPatch) -> None:
    """Give a lease of a second."""
    patch.setattr(lease_margin, "lease_seconds", lambda *_: 1)


def key_with_the_attempt(patch: pytest.MonkeyPatch) -> None:
    """Give each attempt at an effect a key of its own."""
    effect = RunContext.effect

    def keyed(self: RunContext, key: str, do: Callable[[str], Any]) -> Any:
        return effect(self, f"{key}#{secrets.token_hex(4)}", do)

    patch.setattr(RunContext, "effect", keyed)
