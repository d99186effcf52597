"""`mute` holds alerts back until a time, lists the mutes and ends them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared import clock
from shared.admin import audit
from shared.aws.cloud import Cloud
from shared.observability import mutes
from tests.cli.conftest import Call

AWS = ("--aws", "--stage", "test")
WHY = ("--reason", "known", "--who", "ada", *AWS)


def test_a_job_is_muted_listed_and_ended_and_each_is_recorded(call: Call, aws: Cloud) -> None:
    assert "no alert is muted" in call("mute", *AWS).err
    answer = call("mute", "bad", "--until", "6h", *WHY)
    assert answer.code == 0
    assert answer.out.startswith("all alerts about bad are muted until 20")
    [listed] = call("mute", "--json", *AWS).json
    assert (listed["about"], listed["kind"], listed["who"], listed["why"]) == ("bad", "*", "ada", "known")
    length = clock.parse(listed["until"]) - clock.parse(listed["since"])
    assert timedelta(hours=5, minutes=59) < length <= timedelta(hours=6)
    assert call("mute", *AWS).out.splitlines()[1].split()[:2] == ["bad", "all"]
    assert call("mute", "bad", "--end", *WHY).code == 0
    assert mutes.read(aws) == []
    ended, muted = audit.entries(aws, 1)
    assert (ended["what"], muted["what"]) == ("unmute", "mute")
    assert (muted["reason"], muted["scope"]["about"]) == ("known", "bad")


def test_a_target_and_a_kind_are_muted_apart(call: Call, aws: Cloud) -> None:
    assert call("mute", "sharded", "--target", "1", "--kind", "JOB_FAILING", "--until", "1h", *WHY).code == 0
    assert call("mute", "mailbox", "--until", "1h", *WHY).code == 0
    found = {(each.about, each.kind, each.queue) for each in mutes.read(aws)}
    assert found == {("sharded 1", "JOB_FAILING", ""), ("mailbox", "*", "demo:letters")}
    assert call("mute", "sharded", "--end", *WHY).code == 4
    assert call("mute", "sharded", "--target", "1", "--kind", "JOB_FAILING", "--end", *WHY).code == 0


def test_a_second_mute_is_refused(call: Call, aws: Cloud) -> None:
    call("mute", "bad", "--until", "1h", *WHY)
    answer = call("mute", "bad", "--until", "2h", *WHY)
    assert answer.code == 4
    assert "alerts about bad are muted already; `python jobs.py mute --aws --stage test` lists them" in answer.err
    assert len(mutes.read(aws)) == 1


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (("bad",), 2, "name the end of the mute by --until"),
        (("bad", "--until", "8d"), 4, "a mute ends within 7 days"),
        (("bad", "--until", "soon"), 2, "--until 'soon' is not a time"),
        (("bad", "--until", "1h", "--kind", "all of them"), 2, "is no kind of alert"),
        (("bad", "--until", "1h", "--kind", "FOO"), 2, "'FOO' is no kind of alert; the kinds are JOB_PERM"),
        (("bad", "--until", "1h", "--kind", "job_faling"), 2, "did you mean JOB_FAILING?"),
        (("bad", "--end"), 4, "no alert about bad is muted"),
        (("sharded", "--target", "7", "--until", "1h"), 2, "sharded has no target '7'"),
        (("--until", "1h"), 2, "name the job"),
        (("goood", "--until", "1h"), 2, "did you mean 'good'?"),
    ],
)
def test_a_mute_that_is_not_possible_changes_nothing(
    call: Call, aws: Cloud, words: tuple[str, ...], code: int, why: str
) -> None:
    answer = call("mute", *words, *WHY)
    assert (answer.code, why in answer.err) == (code, True)
    assert mutes.read(aws) == []
    assert list(audit.entries(aws, 1)) == []


def test_a_mute_without_a_reason_is_wrong_use(call: Call, aws: Cloud) -> None:
    assert call("mute", "bad", "--until", "1h", *AWS).code == 2
    assert mutes.read(aws) == []
