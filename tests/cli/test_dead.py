"""`dead`: list, show, retry and purge dead letters, and the audit log."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared import clock as clocks
from shared.admin import redrive
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.clock import Clock
from shared.dead_letters.letter import DeadLetter
from shared.job import manifest
from shared.run.firing import Firing
from tests.cli.conftest import Answer, Call
from tests.conftest import Lines, waiting
from tests.functions.operations.conftest import ENTRIES
from tests.functions.operations.world import INTAKE, World

AWS = ("--aws", "--stage", "test")
TICK = Firing("sweep", datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=1), target="shop-1")
Dead = Callable[..., Answer]


@pytest.fixture
def world(aws: Cloud, log: Lines, monkeypatch: pytest.MonkeyPatch) -> World:
    """Jobs that run while the command waits."""
    monkeypatch.setattr(manifest, "load", lambda: {**ENTRIES, "intake": INTAKE})
    aws.sqs.create_queue(QueueName=aws.names.queue("demo:intake"))
    made = World(aws, log)
    monkeypatch.setattr(Clock, "sleep", lambda *_: made.settle())
    return made


@pytest.fixture
def dead(call: Call, world: World) -> Dead:
    def dead(*words: str) -> Answer:
        return call("dead", *words, *AWS)

    return dead


def only(world: World) -> DeadLetter:
    [letter] = world.letters()
    return letter


def fingerprint(world: World) -> str:
    return world.letters()[0].fingerprint


# list


def test_dead_letters_are_listed_by_fingerprint_the_largest_group_first(dead: Dead, world: World) -> None:
    world.kill(TICK)
    world.reject("one", "two", "three")
    first, second = dead("list", "--json").json
    assert (first["job"], first["count"], first["error"]) == ("intake", 3, "no such customer 4711")
    assert (second["job"], second["count"], second["attempts"]) == ("sweep", 1, 3)
    assert first["first"] < first["last"]
    assert first["states"] == {"dead": 3}
    lines = [line for line in dead("list").out.splitlines() if not line.startswith(" ")]
    assert [line.split()[0] for line in lines[1:]] == [first["fingerprint"], second["fingerprint"]]


def test_dead_letters_of_one_job_can_be_listed(dead: Dead, world: World) -> None:
    world.kill(TICK)
    world.reject("one")
    assert [group["job"] for group in dead("list", "intake", "--json").json] == ["intake"]


def test_an_unknown_job_is_an_error_that_suggests_one(dead: Dead) -> None:
    answer = dead("list", "goood")
    assert answer.code == 2
    assert "did you mean 'good'?" in answer.err


def test_an_empty_list_is_no_error(dead: Dead) -> None:
    answer = dead("list")
    assert (answer.code, answer.out, answer.err.splitlines()[-1]) == (0, "", "no dead letters")
    assert dead("list", "--json").json == []


def test_the_dead_letters_of_a_group_are_listed_newest_first(dead: Dead, world: World) -> None:
    world.reject("one", "two")
    listed = dead("list", "--group", fingerprint(world), "--json").json
    assert [letter["id"] for letter in listed] == [letter.id for letter in reversed(world.letters())]
    assert "2" in dead("list").out.splitlines()[1].split()


def test_resolved_dead_letters_are_listed_only_with_all(dead: Dead, world: World) -> None:
    world.reject("one")
    world.intake.mended = {"*"}
    dead("retry", only(world).id)
    answer = dead("list")
    assert "and 1 that are resolved; --all shows them too" in answer.err
    assert dead("list", "--json").json == []
    assert dead("list", "--all", "--json").json[0]["states"] == {"resolved": 1}


def test_dead_letters_of_an_organization_are_listed_by_an_index(dead: Dead, world: World) -> None:
    world.kill(TICK)
    texts = [json.dumps({"organizationId": org, "parcelId": id_}) for org, id_ in (("org_7", "p1"), ("org_8", "p2"))]
    world.reject(*texts)
    [group] = dead("list", "--tenant", "org_7", "--json").json
    assert (group["job"], group["count"], group["tenants"]) == ("intake", 1, ["org_7"])
    [letter] = dead("list", "--tenant", "org_7", "--group", group["fingerprint"], "--json").json
    assert (letter["tenant"], letter["entityId"]) == ("org_7", "p1")
    assert not {"bad_at", "bad_tenant"} & letter.keys()
    assert dead("list", "--tenant", "org_7", "--entity", "p2", "--json").json == []
    assert dead("list", "sweep", "--tenant", "org_7", "--json").json == []
    assert [each["tenants"] for each in dead("list", "--json").json] == [["org_7", "org_8"], []]
    assert "org_7 and 1 more" in " ".join(dead("list").out.split())
    assert "org_7" in dead("list", "--group", group["fingerprint"]).out


def test_a_dead_letter_that_failed_again_is_among_the_newest_of_its_organization(dead: Dead, world: World) -> None:
    world.reject(json.dumps({"organizationId": "org_7"}))
    before = only(world)
    assert before.row["bad_at"] == f"{before.failed_at}#intake"
    dead("retry", before.id)
    after = only(world)
    assert after.failed_at > before.failed_at
    assert after.row["bad_at"] == f"{after.failed_at}#intake"
    assert after.row["bad_tenant"] == "tenant#org_7"


def test_dead_letters_are_listed_by_entity_and_age(dead: Dead, world: World) -> None:
    world.kill(TICK)
    world.reject("one")
    assert [each["job"] for each in dead("list", "--entity", "shop-1", "--json").json] == ["sweep"]
    assert len(dead("list", "--since", "1h", "--json").json) == 2
    time.sleep(1.1)
    assert dead("list", "--since", "1s", "--json").json == []
    assert dead("list", "--since", "later").code == 2


def test_an_unknown_fingerprint_is_an_error(dead: Dead) -> None:
    answer = dead("list", "--group", "0123456789ab")
    assert answer.code == 2
    assert "no dead letter with the fingerprint '0123456789ab'" in answer.err


# show


def test_a_dead_letter_is_shown_redacted_with_the_url_of_its_payload(dead: Dead, world: World) -> None:
    world.reject(json.dumps({"to": "ada@example.org", "order": 7}))
    answer = dead("show", only(world).id[:6])
    assert "ada@example.org" not in answer.out
    assert '"order": 7' in answer.out.replace('\\"', '"')
    assert f"s3://{world.cloud.names.bucket}/dead/intake/" in answer.out
    shown = dead("show", only(world).id, "--json").json
    assert (shown["id"], shown["state"]) == (only(world).id, "dead")
    assert "ada@example.org" not in json.dumps(shown)


def test_there_is_no_option_for_the_raw_payload(dead: Dead, world: World) -> None:
    world.reject("one")
    assert dead("show", only(world).id, "--raw").code == 2


def test_a_payload_of_plain_text_is_shown(dead: Dead, world: World) -> None:
    world.collect("plain text", queue="demo:intake-dlq")
    assert dead("show", only(world).id, "--json").json["content"] == "plain text"


def test_a_missing_payload_is_reported_and_the_row_is_shown(dead: Dead, world: World, cloud: Cloud) -> None:
    world.reject("one")
    cloud.s3.delete_object(Bucket=cloud.names.bucket, Key=only(world).payload)
    answer = dead("show", only(world).id)
    assert answer.code == 4
    assert re.search(r"its payload s3://\S+ is missing", answer.err)
    assert "no such customer 4711" in answer.out
    shown = dead("show", only(world).id, "--json").json
    assert shown["content"] is None
    assert "missing" in shown["error"]


@pytest.mark.parametrize("verb", ["show", "retry"])
@pytest.mark.parametrize("wrong", ["zzzz", "0" * 16, "../../etc"])
def test_an_unknown_id_is_an_error(dead: Dead, world: World, verb: str, wrong: str) -> None:
    world.reject("one")
    answer = dead(verb, wrong)
    assert answer.code == 2
    assert f"there is no dead letter {wrong!r}" in answer.err
    assert only(world).state == "dead"


@pytest.mark.parametrize("verb", ["show", "retry"])
def test_an_ambiguous_prefix_is_an_error_with_the_number_of_matches(dead: Dead, world: World, verb: str) -> None:
    world.reject("one", "two")
    for letter in world.letters():
        world.change(letter, id=f"abc{letter.id[3:]}")
    answer = dead(verb, "abc")
    assert answer.code == 2
    assert "2 dead letters have ids that begin with 'abc'" in answer.err
    assert {letter.state for letter in world.letters()} == {"dead"}


# retry


def test_a_retry_that_succeeds_resolves_the_dead_letter(dead: Dead, world: World) -> None:
    world.kill(TICK)
    world.sweep.mended = {"*"}
    answer = dead("retry", only(world).id)
    assert answer.code == 0
    assert f"{only(world).id} is resolved, by run " in answer.out


def test_a_retry_that_fails_leaves_a_dead_letter(dead: Dead, world: World) -> None:
    world.kill(TICK)
    answer = dead("retry", only(world).id, "--json")
    assert (answer.code, answer.json["end"]) == (1, "dead")
    assert "failed again: RuntimeError: the disk is full" in answer.json["note"]


def test_a_retry_that_a_gate_refuses_is_reported_as_kept_out(dead: Dead, world: World, aws: Cloud) -> None:
    world.kill(TICK)
    aws.environment = {"SWEEP_ENABLE": "false"}
    answer = dead("retry", only(world).id, "--json")
    assert (answer.code, answer.json["end"]) == (0, "kept out")
    assert "was not run: disabled" in answer.json["note"]


def test_a_retry_can_be_sent_without_waiting(dead: Dead, world: World, cloud: Cloud) -> None:
    world.kill(TICK)
    answer = dead("retry", only(world).id, "--no-wait")
    assert answer.code == 0
    assert (only(world).state, len(waiting(cloud))) == ("retrying", 1)


def test_a_retry_without_a_result_in_time_is_reported(
    dead: Dead, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.kill(TICK)
    monkeypatch.setattr(Clock, "sleep", lambda *_: None)
    answer = dead("retry", only(world).id, "--timeout", "1s")
    assert answer.code == 1
    assert "has no result yet" in answer.out


def test_a_dead_letter_that_is_being_retried_is_refused(dead: Dead, world: World, cloud: Cloud) -> None:
    world.kill(TICK)
    dead("retry", only(world).id, "--no-wait")
    answer = dead("retry", only(world).id)
    assert answer.code == 4
    assert "was redriven by " in answer.err
    assert len(waiting(cloud)) == 1


def test_a_retry_without_a_payload_is_refused(dead: Dead, world: World, cloud: Cloud) -> None:
    world.kill(TICK)
    cloud.s3.delete_object(Bucket=cloud.names.bucket, Key=only(world).payload)
    answer = dead("retry", only(world).id)
    assert answer.code == 4
    assert re.search(r"its payload s3://\S+ is missing", answer.err)


def test_a_group_is_sent_as_a_canary(dead: Dead, world: World) -> None:
    world.reject(*(f"customer {number:02d}" for number in range(1, 13)))
    world.intake.mended = {f"customer {number:02d}" for number in range(1, 7)}
    answer = dead("retry", "--group", fingerprint(world), "--reason", "mended", "--json")
    assert answer.code == 1
    report = answer.json
    assert (report["of"], report["sent"], report["resolved"], report["repeated"]) == (12, 11, 6, 5)
    assert "failed again with the same error" in report["stopped"]
    world.intake.mended = {"*"}
    answer = dead("retry", "--group", fingerprint(world), "--reason", "mended")
    assert (answer.code, answer.out) == (0, "6 of 6 sent: 6 resolved\n")


def test_a_group_without_a_reason_is_refused(dead: Dead, world: World) -> None:
    world.reject("one")
    answer = dead("retry", "--group", fingerprint(world))
    assert answer.code == 2
    assert "--reason" in answer.err
    assert only(world).state == "dead"


def test_an_unknown_group_is_an_error(dead: Dead, world: World) -> None:
    answer = dead("retry", "--group", "0123456789ab", "--reason", "x", "--json")
    assert answer.code == 2
    assert answer.json == {"error": answer.json["error"], "code": 2}


def test_a_group_that_another_operator_is_retrying_is_refused(dead: Dead, world: World, aws: Cloud) -> None:
    world.reject("one", "two")
    first, _ = world.letters()
    redrive.send(aws, redrive.prepare(aws, first), "bob")
    answer = dead("retry", "--group", first.fingerprint, "--reason", "mended")
    assert answer.code == 4
    assert "was redriven by bob" in answer.err
    answer = dead("retry", "--group", first.fingerprint, "--dry-run", "--anyway", "--json")
    assert answer.json["letters"] == 1


@pytest.mark.parametrize("words", [(), ("abc", "--group", "abc")])
def test_a_retry_needs_either_an_id_or_a_group(dead: Dead, words: tuple[str, ...]) -> None:
    assert dead("retry", *words).code == 2


@pytest.mark.parametrize("span", ["soon", "10", "-5m"])
def test_an_invalid_timeout_is_an_error(dead: Dead, world: World, span: str) -> None:
    world.kill(TICK)
    assert dead("retry", only(world).id, f"--timeout={span}").code == 2
    assert only(world).state == "dead"


def test_a_dry_run_sends_nothing(dead: Dead, world: World, cloud: Cloud) -> None:
    world.kill(TICK)
    world.kill(replace(TICK, target="shop-2"))
    group = dead("retry", "--group", fingerprint(world), "--dry-run", "--json").json
    one = dead("retry", world.letters()[0].id, "--dry-run", "--json").json
    assert (group["letters"], one["ids"]) == (2, [world.letters()[0].id])
    assert waiting(cloud) == []
    assert {letter.state for letter in world.letters()} == {"dead"}


# purge


def test_a_purge_deletes_what_the_filter_matches(dead: Dead, world: World) -> None:
    world.kill(TICK)
    world.reject("one", "two")
    answer = dead("purge", "intake", "--reason", "customers are gone", "--json")
    assert (answer.code, answer.json["purged"]) == (0, 2)
    assert only(world).job == "sweep"


def test_a_dry_run_of_a_purge_counts_the_matches(dead: Dead, world: World) -> None:
    world.kill(TICK)
    world.reject("one", "two")
    answer = dead("purge", "--failed", "rejected", "--dry-run")
    assert "would delete 2 and keep 1" in answer.out
    assert len(world.letters()) == 3
    assert dead("purge", "--failed", "rejected", "--dry-run", "--json").json["count"] == 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "an empty filter matches every dead letter"),
        (("--older-than", "1d"), "no dead letter matches the filter (before "),
        (("--failed", "nothing"), "no dead letter matches the filter (reason nothing)"),
        (("--group", "0123456789ab"), "no dead letter matches"),
        (("--older-than", "0s"), "matches every dead letter, 2 in all"),
        (("intake",), "matches every dead letter, 2 in all"),
        (("--all",), "--all deletes every dead letter, 2 in all"),
        (("intake", "--all"), "--all deletes every dead letter, 2 in all"),
    ],
)
def test_a_filter_that_matches_none_or_all_is_refused(
    dead: Dead, world: World, words: tuple[str, ...], says: str
) -> None:
    world.reject("one", "two")
    answer = dead("purge", *words, "--reason", "because")
    assert answer.code == 4
    assert says in answer.err
    assert len(world.letters()) == 2


def test_all_and_yes_delete_every_dead_letter(dead: Dead, world: World) -> None:
    world.reject("one", "two")
    answer = dead("purge", "--all", "--yes", "--reason", "because")
    assert (answer.code, answer.out) == (0, "deleted: 2\n")


@pytest.mark.parametrize(
    "words", [("--yes",), ("--older-than", "a while"), ("goood",), ("--older-than", "99999999d"), ("--all", "--yes")]
)
def test_an_invalid_filter_is_wrong_use(dead: Dead, world: World, words: tuple[str, ...]) -> None:
    world.reject("one")
    reason = () if "--all" in words else ("--reason", "because")
    assert dead("purge", *words, *reason).code == 2
    assert len(world.letters()) == 1


# audit


def test_the_audit_log_has_operator_action_and_reason(dead: Dead, world: World) -> None:
    world.reject("one", "two")
    dead("retry", "--group", fingerprint(world), "--reason", "mended", "--who", "ada@laptop")
    dead("purge", "--all", "--yes", "--reason", "of last year")
    purged, retried = dead("audit", "--json").json
    assert (retried["what"], retried["who"], retried["reason"]) == ("dead retry", "ada@laptop", "mended")
    assert (purged["what"], purged["count"], purged["scope"]) == ("dead purge", 2, {"all": "yes"})
    assert purged["who"].startswith("arn:aws:sts::123456789012:")
    assert "of last year" in dead("audit").out


def test_a_retry_of_one_dead_letter_is_audited_without_a_reason(dead: Dead, world: World) -> None:
    world.reject("one")
    dead("retry", only(world).id)
    [entry] = dead("audit", "--json").json
    assert (entry["count"], entry["reason"], entry["scope"]["id"]) == (1, "no reason was given", only(world).id)


def test_the_audit_log_is_empty_before_any_action(dead: Dead) -> None:
    answer = dead("audit")
    assert (answer.code, answer.out) == (0, "")
    assert dead("audit", "--months", "0").code == 2


def test_expired_dead_letters_are_not_listed(dead: Dead, world: World, cloud: Cloud) -> None:
    world.reject("one")
    world.change(only(world), expires=int(datetime.now(UTC).timestamp()) - 1)
    assert dead("list", "--json").json == []
    answer = dead("show", "a")
    assert answer.code == 2


def test_dead_letters_of_a_removed_job_are_listed_and_cannot_be_retried(dead: Dead, world: World, jobs: Path) -> None:
    at = clocks.iso(datetime.now(UTC))
    row = {"pk": "dead#gone", "sk": f"{at}#{'a' * 16}", "id": "a" * 16, "job": "gone", "payload": "dead/gone/a.json"}
    for item in ({**row, "expires": 2**40}, {"pk": "dead", "sk": "gone", "expires": 2**40}):
        world.cloud.dynamodb.put_item(TableName=world.cloud.names.table("state"), Item=attributes.row(item))
    assert [group["job"] for group in dead("list", "--json").json] == ["gone"]
    answer = dead("retry", "a" * 16)
    assert answer.code == 4
    assert "of 'gone', and there is no such job" in answer.err
