"""Acts on selected rows."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from shared.aws.cloud import Cloud
from shared.dead_letters import store
from shared.dead_letters.store import DeadLetterFilter
from shared.run import pauses
from tests.conftest import waiting
from tests.support.console_browser import HOST, Person, Seen
from tests.support.console_site import event_of


def preview(person: Person, act: str, *chosen: str) -> Seen:
    body = urlencode([("chosen", each) for each in chosen]).encode()
    headers = {"host": HOST, "origin": f"https://{HOST}", "cookie": person.cookie}
    answer = person.console.answer(event_of("POST", f"/ui/preview/{act}", headers, body))
    return Seen(answer["statusCode"], answer["body"], answer["headers"], [])


def test_selected_jobs_are_run_but_not_those_of_a_queue(operator: Person, started: list[dict[str, Any]]) -> None:
    asked = preview(operator, "run-jobs", "pricing", "usage", "webeval")
    assert "Run 2 jobs now" in asked.text
    assert operator.confirm("run-jobs", asked).status == 422
    assert operator.confirm("run-jobs", asked, why="look").status == 200
    assert [json.loads(each["Payload"])["firing"]["job"] for each in started] == ["pricing", "webeval"]


def test_selected_jobs_are_resumed(operator: Person, cloud: Cloud) -> None:
    done = operator.confirm("resume-jobs", preview(operator, "resume-jobs", "docs", "pricing"), why="over")
    assert "1 of 1 resumed" in done.text
    assert pauses.read(cloud, "docs") == {}


def test_a_letter_that_another_operator_retries_does_not_hold_the_others(operator: Person, cloud: Cloud) -> None:
    letters = [each.id for each in store.dead_letters(cloud, DeadLetterFilter(job="crash"))][:3]
    asked = preview(operator, "retry-letters", *letters)
    assert "Retry 3 dead letters" in asked.text
    assert operator.confirm("retry", operator.preview("retry", id=letters[0])).status == 200
    # A retry changes the version of a letter.
    assert operator.confirm("retry-letters", asked, why="mended").status == 409
    done = operator.confirm("retry-letters", preview(operator, "retry-letters", *letters[1:]), why="mended")
    assert "2 of 2 sent" in done.text
    assert len(waiting(cloud)) == 3


def test_an_empty_or_unknown_selection_is_refused(operator: Person) -> None:
    for act in ("pause-jobs", "resume-jobs", "run-jobs", "retry-letters"):
        assert "No row is selected" in preview(operator, act).text
    assert preview(operator, "pause-jobs", "docs").status == 409
    assert preview(operator, "resume-jobs", "pricing").status == 409
    assert preview(operator, "run-jobs", "usage").status == 409
    assert preview(operator, "pause-jobs", "none").status == 404
    assert preview(operator, "pause-jobs", "x" * 700).status == 400
    assert preview(operator, "pause-jobs", *(f"job {number}" for number in range(200))).status == 400
