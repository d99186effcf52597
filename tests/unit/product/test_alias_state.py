"""An alias forwards until it is switched off or has expired, whichever job has run."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from shared import clock
from shared.product.alias_state import reason_not_forwarding
from tests.conftest import NOON

MILLISECOND = timedelta(milliseconds=1)


def until(after: timedelta) -> dict[str, Any]:
    return {"sk": "a@in.example", "active": True, "expires_at": clock.iso(NOON + after)}


@pytest.mark.parametrize(
    ("alias", "why"),
    [
        ({"sk": "a@in.example"}, ""),
        ({"sk": "a@in.example", "active": True}, ""),
        (until(MILLISECOND), ""),
        (until(timedelta(0)), ""),
        (until(-MILLISECOND), "its alias expired at 2026-03-02T11:59:59.999Z"),
        (until(-timedelta(days=400)), "its alias expired at "),
        ({"sk": "a@in.example", "active": False}, "its alias is not active any more"),
        ({**until(timedelta(days=1)), "active": False}, "its alias is not active any more"),
        ({}, "its alias is not active any more"),
    ],
)
def test_an_alias_forwards_while_it_is_active_and_has_not_expired(alias: dict[str, Any], why: str) -> None:
    found = reason_not_forwarding(alias, NOON)
    assert found == why if not why.endswith(" ") else found.startswith(why)
