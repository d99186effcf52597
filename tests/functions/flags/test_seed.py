"""Seed data is the same for the same seed, and has work for every job of the group."""

from __future__ import annotations

from functions.flags.audit import Audit
from functions.flags.seed import seed
from functions.flags.usage import Usage
from tests.conftest import letters
from tests.functions.flags.conftest import World
from tests.functions.flags.test_usage import counted


def test_seeded_usage_is_counted_and_notified_and_audited(world: World) -> None:
    assert seed(world.cloud, 6) == {"organizations": 36 + 8, "usage": 36, "audit": 12}
    used = world.sent("flagship:usage")
    for _ in range(2):
        for start in range(0, len(used), 10):
            assert world.deliver(Usage(), *used[start : start + 10]) == []
        world.deliver(Audit(), *world.sent("flagship:audit"))
    assert len(world.rows("trail")) == 12
    assert all(counted(world, f"org-1-{each}") for each in range(6))
    assert {each["payload"]["type"] for each in world.sent("flagship:notifications")} == {
        "threshold_warning",
        "limit_exceeded",
    }
    assert letters(world.cloud, "firings-dlq") == []


def test_the_same_seed_makes_the_same_organizations_and_another_seed_others(world: World) -> None:
    seed(world.cloud, 2)
    first = world.sent("flagship:usage")
    assert seed(world.cloud, 3)["organizations"] == 6
    again = world.sent("flagship:usage")
    assert [each["payload"]["events"] for each in again[: len(first)]] == [each["payload"]["events"] for each in first]
    seed(world.cloud, 2, 2)
    assert {each["payload"]["organizationId"] for each in world.sent("flagship:usage")} == {"org-2-0", "org-2-1"}
