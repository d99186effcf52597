"""Results are recorded while other sites are visited, by three calls a site."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.aws.cloud import Cloud
from shared.observability.artifacts import Pointer
from shared.run import status
from tests.conftest import NOON, Calls, Lines
from tests.support.web_server import Web
from tests.unit.archetypes.test_probe import FIRED, HELLO, Look, shown, visit

SITES = 4


class OneByOne(Look):
    """Look at one site at a time."""

    name = "look"
    width = 1


@pytest.fixture
def webs() -> Iterator[list[Web]]:
    made = [Web() for _ in range(SITES)]
    for web in made:
        web.__enter__()
        web.answers["/hello"] = HELLO
    yield sorted(made, key=lambda web: web.host)
    for web in made:
        web.__exit__(None, None, None)


def test_a_slow_write_holds_up_no_visit(
    cloud: Cloud, log: Lines, webs: list[Web], monkeypatch: pytest.MonkeyPatch
) -> None:
    write, waited = status.write_host, list[bool]()
    all_asked = threading.Event()

    def slow(cloud: Cloud, job: Look, host: str, *rest: Any) -> bool:
        if all(web.asked for web in webs):
            all_asked.set()
        waited.append(all_asked.wait(20))
        return write(cloud, job, host, *rest)

    class Asking(OneByOne):
        """Note when the last site answers."""

        name = "look"

        def judge(self, answer: Any) -> Any:
            if all(web.asked for web in webs):
                all_asked.set()
            return super().judge(answer)

    monkeypatch.setattr(status, "write_host", slow)
    report = visit(cloud, log, *webs, job=Asking())
    assert report.counts == {"hosts": SITES, "ok": SITES, "bad": 0, "invalid": 0}
    assert waited == [True] * SITES


def test_a_site_takes_three_calls_once_its_pointer_is_known(cloud: Cloud, log: Lines, webs: list[Web]) -> None:
    visit(cloud, log, *webs)
    calls = Calls(cloud)
    assert visit(cloud, log, *webs, firing=replace(FIRED, at=NOON + timedelta(minutes=15))).counts["ok"] == SITES
    made = Counter(calls.made)
    assert made["s3:PutObject"] == 2 * SITES
    assert made["s3:GetObject"] == 0
    # Claim, finish, history, status items, and the pauses of parts.
    assert made.total() - 3 * SITES <= 5


def test_the_pointer_is_stored_with_the_status(cloud: Cloud, log: Lines, webs: list[Web]) -> None:
    visit(cloud, log, webs[0])
    pointer = status.pointer_of(shown(cloud, webs[0].host))
    found = cloud.s3.head_object(Bucket=cloud.names.bucket, Key=f"look/{webs[0].host.replace(':', '_')}/latest.json")
    assert pointer == Pointer("2026-03-02T12:00:00.000Z", found["ETag"])


def test_the_first_failed_write_fails_the_run(
    cloud: Cloud, log: Lines, webs: list[Web], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: Any) -> bool:
        raise ConnectionError("the table is gone")

    monkeypatch.setattr(status, "write_host", failing)
    report = visit(cloud, log, *webs)
    assert report.outcome == "failed"
    assert "the table is gone" in report.note
