"""Acts on several items: an error of one does not hold the others, and the answer counts them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from shared.admin import pause as admin_pause
from shared.admin import redrive
from shared.aws.cloud import Cloud
from shared.dead_letters import store
from shared.dead_letters.letter import UnknownDeadLetter
from shared.dead_letters.store import DeadLetterFilter
from tests.conftest import waiting
from tests.functions.console.test_selection import preview
from tests.support.console_browser import Person
from tests.support.console_state import TENANT

THROTTLED = ClientError({"Error": {"Code": "TooManyRequestsException", "Message": "slow down"}}, "Invoke")


@pytest.fixture
def throttled_once(cloud: Cloud, operator: Person) -> list[dict[str, Any]]:
    """Invocations of jobs; the second call fails."""
    calls = list[dict[str, Any]]()

    def invoke(**call: Any) -> None:
        calls.append(call)
        if len(calls) == 2:
            raise THROTTLED

    cloud.__dict__["functions"] = SimpleNamespace(invoke=invoke)
    return calls


def test_an_aws_error_of_one_job_does_not_hold_the_others(
    operator: Person, throttled_once: list[dict[str, Any]]
) -> None:
    asked = preview(operator, "run-jobs", "pricing", "webeval", "docs")
    first = operator.confirm("run-jobs", asked, why="look")
    assert (first.status, len(throttled_once)) == (200, 3)
    assert "Not all was done" in first.text
    assert "2 of 3 started; 1 failed (pricing: ClientError: " in first.text
    second = operator.confirm("run-jobs", asked, why="look")
    assert (second.status, len(throttled_once)) == (200, 3)
    assert "2 of 3 started; 1 failed (pricing: ClientError: " in second.text


def test_a_letter_that_is_gone_does_not_hold_the_others(
    operator: Person, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters = sorted(each.id for each in store.dead_letters(cloud, DeadLetterFilter(job="crash")))[:3]
    asked = preview(operator, "retry-letters", *letters)
    redrive_one = redrive.redrive_one

    def gone(cloud: Cloud, identity: str, *given: str) -> Any:
        if identity == letters[1]:
            raise UnknownDeadLetter(identity)
        return redrive_one(cloud, identity, *given)

    monkeypatch.setattr(redrive, "redrive_one", gone)
    done = operator.confirm("retry-letters", asked, why="mended")
    assert f"2 of 3 sent; 1 refused ({letters[1]}: " in done.text
    assert len(waiting(cloud)) == 2


def test_a_wave_goes_on_after_an_error(operator: Person, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    letter = next(iter(store.dead_letters(cloud, DeadLetterFilter(job="crash"))))
    asked = operator.preview("retry-group", group=letter.fingerprint)

    def throttled(*_: Any) -> None:
        raise THROTTLED

    monkeypatch.setattr(redrive, "send", throttled)
    done = operator.confirm("retry-group", asked, why="mended")
    assert "0 dead letters sent; the group" in done.text
    assert "1 failed (" in done.text


def test_a_tenant_is_paused_in_the_other_jobs_after_an_error(
    operator: Person, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    pause = admin_pause.pause

    def throttled(cloud: Cloud, job: Any, *given: Any) -> Any:
        if job.name == "usage":
            raise THROTTLED
        return pause(cloud, job, *given)

    asked = operator.preview("pause-tenant", tenant=TENANT)
    monkeypatch.setattr(admin_pause, "pause", throttled)
    done = operator.confirm("pause-tenant", asked, why="import")
    assert f"{TENANT} is paused in " in done.text
    assert "1 failed (usage: ClientError: " in done.text


def test_a_form_whose_act_failed_says_so_when_it_is_sent_again(operator: Person, cloud: Cloud) -> None:
    def throttled(**_: Any) -> None:
        raise THROTTLED

    asked = operator.preview("run", job="pricing")
    cloud.__dict__["functions"] = SimpleNamespace(invoke=throttled)
    with pytest.raises(ClientError):
        operator.confirm("run", asked, why="look")
    again = operator.confirm("run", asked, why="look").text
    assert "It failed: ClientError: " in again
    assert "by another request" not in again
