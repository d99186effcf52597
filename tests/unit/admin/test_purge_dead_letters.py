"""Dead letters that match a filter are deleted, with a reason; never all of them by mistake."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from shared.admin import audit, purge_dead_letters, redrive
from shared.admin.audit import ReasonMissing
from shared.admin.purge_dead_letters import PurgeResult
from shared.aws.cloud import Cloud
from shared.dead_letters import store
from shared.dead_letters.letter import DeadLetterRefused
from shared.dead_letters.store import DeadLetterFilter
from shared.job import manifest
from tests.conftest import NOON, Calls, Lines, VirtualClock
from tests.functions.operations.conftest import ENTRIES
from tests.functions.operations.world import INTAKE, World, tick


@pytest.fixture
def world(cloud: Cloud, log: Lines, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world with two dead letters of intake, and two different ones of sweep an hour later."""
    monkeypatch.setattr(manifest, "load", lambda: {**ENTRIES, "intake": INTAKE})
    cloud.sqs.create_queue(QueueName=cloud.names.queue("demo:intake"))
    made = World(cloud, log)
    made.reject("one", "two")
    assert isinstance(cloud.clock, VirtualClock)
    cloud.clock.move(hours=1)
    made.kill(tick())
    made.collect({"dead": {"job": "sweep", "reason": "rejected", "error": "no such shop"}})
    cloud.clock.move(minutes=1)
    return made


def clear(world: World, which: DeadLetterFilter, everything: bool = False) -> PurgeResult:
    return purge_dead_letters.purge(world.cloud, which, "ada", "they are of last year", everything)


def left(world: World) -> list[tuple[str, str]]:
    return [(letter.job, letter.reason) for letter in world.letters()]


INTAKES = [("intake", "rejected")] * 2
SWEEPS = [("sweep", "all 3 attempts used up"), ("sweep", "rejected")]


@pytest.mark.parametrize(
    ("which", "stay"),
    [
        (DeadLetterFilter(job="intake"), SWEEPS),
        (DeadLetterFilter(job="sweep"), INTAKES),
        (DeadLetterFilter(reason="rejected"), SWEEPS[:1]),
        (DeadLetterFilter(reason="all"), [*INTAKES, SWEEPS[1]]),
        (DeadLetterFilter(job="sweep", reason="rejected"), [*INTAKES, SWEEPS[0]]),
        (DeadLetterFilter(before=NOON + timedelta(minutes=30)), SWEEPS),
        (DeadLetterFilter(job="sweep", before=NOON + timedelta(minutes=90), reason="rej"), [*INTAKES, SWEEPS[0]]),
    ],
)
def test_only_matching_dead_letters_are_deleted(world: World, which: DeadLetterFilter, stay: list[Any]) -> None:
    purged = clear(world, which)
    assert left(world) == stay
    assert purged.purged == 4 - len(stay)


def test_a_fingerprint_selects_its_group(world: World) -> None:
    [largest, *_] = store.group_by_fingerprint(world.letters())
    assert clear(world, DeadLetterFilter(fingerprint=largest.fingerprint)).purged == 2
    assert left(world) == SWEEPS


def test_payloads_are_deleted_with_their_rows(world: World, cloud: Cloud) -> None:
    clear(world, DeadLetterFilter(job="intake"))
    listed = cloud.s3.list_objects_v2(Bucket=cloud.names.bucket, Prefix="dead/")["Contents"]
    assert {found["Key"] for found in listed} == {letter.payload for letter in world.letters()}


@pytest.mark.parametrize("everything", [False, True])
@pytest.mark.parametrize(
    "which", [DeadLetterFilter(job="pricing"), DeadLetterFilter(fingerprint="0" * 12), DeadLetterFilter(before=NOON)]
)
def test_a_filter_that_matches_nothing_is_refused(world: World, which: DeadLetterFilter, everything: bool) -> None:
    with pytest.raises(DeadLetterRefused, match="no dead letter matches the filter"):
        clear(world, which, everything)
    assert len(left(world)) == 4
    assert list(audit.entries(world.cloud, 1)) == []


def test_an_empty_filter_is_refused(world: World) -> None:
    with pytest.raises(DeadLetterRefused, match="an empty filter matches every dead letter"):
        clear(world, DeadLetterFilter())
    assert len(left(world)) == 4


@pytest.mark.parametrize("which", [DeadLetterFilter(before=NOON + timedelta(hours=2)), DeadLetterFilter(job="sweep")])
def test_a_filter_that_matches_everything_is_refused(world: World, which: DeadLetterFilter) -> None:
    if which.job:
        clear(world, DeadLetterFilter(job="intake"))
    before = left(world)
    with pytest.raises(DeadLetterRefused, match=f"matches every dead letter, {len(before)} in all"):
        clear(world, which)
    assert left(world) == before


@pytest.mark.parametrize("which", [DeadLetterFilter(), DeadLetterFilter(before=NOON + timedelta(hours=2))])
def test_everything_is_deleted_on_request(world: World, which: DeadLetterFilter) -> None:
    assert clear(world, which, everything=True).purged == 4
    assert left(world) == []


def test_deleting_everything_without_dead_letters_is_refused(world: World) -> None:
    clear(world, DeadLetterFilter(), everything=True)
    with pytest.raises(DeadLetterRefused, match="no dead letter matches the empty filter"):
        clear(world, DeadLetterFilter(), everything=True)


@pytest.mark.parametrize("reason", ["", " "])
def test_nothing_is_deleted_without_a_reason(world: World, reason: str) -> None:
    with pytest.raises(ReasonMissing):
        purge_dead_letters.purge(world.cloud, DeadLetterFilter(job="intake"), "ada", reason)
    assert len(left(world)) == 4


def test_a_purge_is_audited_with_operator_reason_filter_and_count(world: World) -> None:
    clear(world, DeadLetterFilter(job="intake", reason="rej"))
    [entry] = audit.entries(world.cloud, 1)
    assert (entry["what"], entry["who"], entry["reason"]) == ("dead purge", "ada", "they are of last year")
    assert (entry["count"], entry["end"], entry["scope"]) == (2, "done", {"job": "intake", "reason": "rej"})


def test_the_audit_entry_has_the_digest_of_the_ids(world: World) -> None:
    import hashlib

    ids = "".join(f"{letter.id}\n" for letter in world.letters() if letter.job == "intake")
    clear(world, DeadLetterFilter(job="intake"))
    [entry] = audit.entries(world.cloud, 1)
    assert entry["ids"] == hashlib.sha256(ids.encode()).hexdigest()[:16]


def test_a_dead_letter_that_is_being_redriven_stays(world: World, cloud: Cloud) -> None:
    [first, second] = (letter for letter in world.letters() if letter.job == "intake")
    redrive.send(cloud, redrive.prepare(cloud, first), "bob")
    assert purge_dead_letters.preview(cloud, DeadLetterFilter(job="intake")).retrying == 1
    assert clear(world, DeadLetterFilter(job="intake")).purged == 1
    assert second.id not in {letter.id for letter in world.letters()}
    with pytest.raises(DeadLetterRefused, match="except 1 that are being redriven"):
        clear(world, DeadLetterFilter(job="intake"))


def test_a_redriven_dead_letter_without_a_result_in_time_is_deleted(
    world: World, cloud: Cloud, clock: VirtualClock
) -> None:
    [first, _] = (letter for letter in world.letters() if letter.job == "intake")
    redrive.send(cloud, redrive.prepare(cloud, first), "bob")
    clock.move(hours=2)
    assert clear(world, DeadLetterFilter(job="intake")).purged == 2


def test_a_dead_letter_redriven_during_the_purge_stays_with_its_payload(
    world: World, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    [first, _] = (letter for letter in world.letters() if letter.job == "intake")
    delete = cloud.dynamodb.delete_item

    def after_bob(**given: Any) -> Any:
        if given["Key"]["sk"]["S"] == first.key:
            redrive.send(cloud, redrive.prepare(cloud, first), "bob")
        return delete(**given)

    monkeypatch.setattr(cloud.dynamodb, "delete_item", after_bob)
    done = clear(world, DeadLetterFilter(job="intake"))
    assert (done.purged, done.moved) == (1, 1)
    [stays] = (letter for letter in world.letters() if letter.job == "intake")
    assert (stays.id, store.read_payload(cloud, stays)) == (first.id, store.read_payload(cloud, first))


def test_a_deletion_repeated_after_a_lost_reply_counts_as_deleted(
    world: World, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete = cloud.dynamodb.delete_item

    def twice(**given: Any) -> Any:
        delete(**given)
        return delete(**given)

    monkeypatch.setattr(cloud.dynamodb, "delete_item", twice)
    assert clear(world, DeadLetterFilter(job="intake")).moved == 0


def test_a_dead_letter_stored_during_the_purge_stays(
    world: World, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = purge_dead_letters.preview

    def then(*given: Any) -> Any:
        found = looked(*given)
        world.reject("three")
        return found

    monkeypatch.setattr(purge_dead_letters, "preview", then)
    assert clear(world, DeadLetterFilter(job="intake")).purged == 2
    assert left(world).count(INTAKES[0]) == 1


def test_a_crashed_purge_is_audited_with_the_number_deleted(
    world: World, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purge_dead_letters, "BATCH", 1)
    forget, calls = purge_dead_letters._delete_payloads, []

    def once(*given: Any) -> None:
        calls.append(given)
        if len(calls) == 2:
            raise OSError("1 payloads were not deleted")
        forget(*given)

    monkeypatch.setattr(purge_dead_letters, "_delete_payloads", once)
    with pytest.raises(OSError, match="not deleted"):
        clear(world, DeadLetterFilter(job="intake"))
    [entry] = audit.entries(cloud, 1)
    assert (entry["count"], entry["end"]) == (1, "OSError: 1 payloads were not deleted")


def test_payloads_that_s3_does_not_delete_are_an_error(
    world: World, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    denied = {"Errors": [{"Key": "dead/intake/x.json", "Code": "AccessDenied", "Message": "no"}]}
    monkeypatch.setattr(cloud.s3, "delete_objects", lambda **_: denied)
    with pytest.raises(OSError, match="1 payloads were not deleted, dead/intake/x"):
        clear(world, DeadLetterFilter(job="intake"))


def test_dead_letters_of_a_removed_job_can_be_deleted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "load", lambda: ENTRIES)
    assert clear(world, DeadLetterFilter(job="intake")).purged == 2


def test_a_preview_writes_nothing(world: World, cloud: Cloud) -> None:
    calls = Calls(cloud)
    found = purge_dead_letters.preview(cloud, DeadLetterFilter(job="intake"))
    assert (found.count, found.others) == (2, 2)
    assert set(calls.made) == {"dynamodb:Query"}
