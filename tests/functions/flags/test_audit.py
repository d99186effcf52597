"""The audit trail stores each event once and never overwrites it."""

from __future__ import annotations

from typing import Any

import pytest

from functions.flags.audit import Audit
from tests.conftest import Calls, letters
from tests.functions.flags.conftest import World


def event(number: int = 1, **more: Any) -> dict[str, Any]:
    told = {"id": f"evt_{number}", "orgId": "org_1", "at": "2026-03-02T11:59:00Z", "actor": "user_1", "action": "saved"}
    return {"type": "audit-event", "payload": {"event": {**told, **more}}}


def test_a_batch_of_an_organization_is_one_call_and_its_counts_and_duplicates_are_the_same_rows(world: World) -> None:
    job = Audit()
    world.deliver(job, event(0))
    calls = Calls(world.cloud)
    assert world.deliver(job, *(event(number) for number in range(1, 10)), event(1)) == []
    # The rows, then the counts of the batch.
    assert calls.made == ["dynamodb:BatchWriteItem", "dynamodb:UpdateItem"]
    world.deliver(job, *(event(number) for number in range(10)))
    assert [row["id"] for row in world.rows("trail")] == [f"evt_{number}" for number in range(10)]
    assert {row["pk"] for row in world.rows("trail")} == {"org_1#2026-03-02"}


def test_an_event_sent_again_with_other_content_overwrites_nothing(world: World) -> None:
    world.deliver(Audit(), event(), event(actor="somebody_else"))
    assert sorted(row["actor"] for row in world.rows("trail")) == ["somebody_else", "user_1"]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (event(at="yesterday"), "event.at"),
        (event(at="2026-03-02T12:05:01Z"), "301 s in the future; 300 s are tolerated"),
        (event(colour="red"), "Extra inputs"),
        (event(orgId="org_2"), "Invalid organization org_2"),
        (event(organizationId="org_2"), "two organizations"),
        ({**event(), "type": "usage-ingestion"}, "takes 'audit-event'"),
        ({"type": "audit-event", "payload": {**event()["payload"], "schemaVersion": 9}}, "is newer than this consumer"),
    ],
)
def test_one_invalid_event_among_nine_is_a_dead_letter_at_once(bad: Any, reason: str, world: World) -> None:
    good = [event(number) for number in range(9)]
    assert world.deliver(Audit(), *good[:5], bad, *good[5:]) == []
    assert len(world.rows("trail")) == 9
    [letter] = letters(world.cloud, "firings-dlq")
    assert reason in letter["dead"]["error"]
    assert world.sent("flagship:audit") == []


def test_a_clock_that_is_five_minutes_ahead_is_tolerated(world: World) -> None:
    world.deliver(Audit(), event(at="2026-03-02T12:05:00Z"))
    assert len(world.rows("trail")) == 1


def test_a_failed_write_is_retried_after_the_delays_and_then_dead_lettered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: Any) -> Any:
        raise OSError("the store is away")

    monkeypatch.setattr(world.cloud.dynamodb, "batch_write_item", refuse)
    for attempt in range(1, 6):
        assert world.deliver(Audit(), event(), attempt=str(attempt)) == []
        assert len(world.sent("flagship:audit")) == 1
    assert world.deliver(Audit(), event(), attempt="6") == []
    assert world.sent("flagship:audit") == []
    [letter] = letters(world.cloud, "firings-dlq")
    assert letter["dead"]["reason"] == "all 6 attempts used up"
    assert "OSError: the store is away" in letter["dead"]["error"]
