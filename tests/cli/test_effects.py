"""`effects` lists effects with an unknown outcome, and resolves them."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.admin import audit
from shared.aws.cloud import Cloud
from tests.cli.conftest import HEAD, Call

AWS = ("--aws", "--stage", "test")
WHY = ("--reason", "the relay's log has it", "--who", "grace", *AWS)
SENDER = '''
from shared.job.duration import days
class Sender(Job):
    """Send two letters, and hear nothing of the first."""
    schedule = hourly(minute=7)
    effects = days(30)
    idempotency = natural("each letter is an effect")
    def work(self, tick):
        def send(key):
            raise TimeoutError("no answer")
        return Done({"sent": len([tick.effect("ada", send)])})
'''


@pytest.fixture(autouse=True)
def uncertain(aws: Cloud, jobs: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "us-east-1")
    (jobs / "demo" / "sender.py").write_text(HEAD + SENDER)
    for _ in range(2):
        assert call("sender", *AWS).code == 1


def test_an_uncertain_effect_is_listed_with_its_error(call: Call) -> None:
    [effect] = call("effects", "sender", "--json", *AWS).json
    assert (effect["key"], effect["error"]) == ("ada", "TimeoutError: no answer")
    shown = call("effects", "sender", *AWS)
    assert effect["id"][:8] in shown.out
    assert "python jobs.py effects sender done ID --reason WHY --aws --stage test" in shown.err
    assert [effect["key"] for effect in call("effects", "sender", "--all", "--json", *AWS).json] == ["ada"]


def test_an_effect_resolved_as_done_is_not_repeated(call: Call, aws: Cloud) -> None:
    answer = call("effects", "sender", "done", "ada", "--result", '{"id": 7}', *WHY)
    assert (answer.code, answer.out) == (0, "ada of sender counts as performed\n")
    assert call("sender", *AWS).code == 0
    assert call("effects", "sender", "--json", *AWS).json == []
    [written] = audit.entries(aws, 1)
    assert (written["what"], written["who"], written["reason"]) == ("effects done", "grace", "the relay's log has it")


def test_an_effect_resolved_as_redo_is_performed_by_the_next_run(call: Call) -> None:
    effect = call("effects", "sender", "--json", *AWS).json[0]
    assert call("effects", "sender", "redo", effect["id"][:8], *WHY).code == 0
    assert "TimeoutError" in call("sender", *AWS).out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("good",), 2, "good declares no effects"),
        (("sender", "done", "bob", *WHY[:4]), 4, "sender has begun no effect 'bob'"),
        (("sender", "done"), 2, "name the effect by its key or id"),
        (("sender", "redo", "ada", "--who", "grace"), 2, "add --reason"),
        (("sender", "redo", "ada", "--result", "1", *WHY[:4]), 2, "--result is the return value of an effect"),
        (("sender", "done", "ada", "--result", "{", *WHY[:4]), 2, "--result is not JSON"),
        (("sender", "forget", "ada"), 2, "invalid choice"),
        (("sendr",), 2, "sender"),
    ],
)
def test_invalid_use_is_refused_and_nothing_is_done(
    call: Call, aws: Cloud, words: tuple[str, ...], code: int, said: str
) -> None:
    answer = call("effects", *words, *AWS)
    assert answer.code == code
    assert said in answer.err
    assert [*audit.entries(aws, 1)] == []
