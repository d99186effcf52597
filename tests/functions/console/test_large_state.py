"""Pages with 100,000 runs of all jobs: calls, read units and sizes keep their bounds."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from functions.console import _assets
from functions.console._page_paths import PAGE_PATHS
from functions.console._ui import Console
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.http import internal_token
from shared.job import manifest
from shared.messages import queue_depth
from shared.tables import STATE
from tests.conftest import Lines, VirtualClock, mocked_cloud
from tests.support import large_state
from tests.support.console_browser import Person
from tests.support.console_state import BusyNight
from tests.support.counted_dynamodb import CountedDynamoDb

# Path -> the most calls of DynamoDB, and the most read units (half of one per 4 KB of an eventually consistent read).
BOUNDS = {
    "now": (4, 110),
    "jobs": (2, 110),
    "jobs/pricing": (5, 20),
    "jobs/{busy}": (5, 20),
    "runs/{busy}/{run}": (4, 20),
    "plans": (0, 0),
    "failures": (8, 200),
    "failures?since=1h": (8, 100),
    # Four for each day.
    "failures?since=7d": (32, 200),
    "dead": (2, 220),
    "dead?job={busy}": (2, 20),
    "dead/{fingerprint}?job={busy}": (2, 20),
    "dead/letter/{letter}?job={busy}": (2, 20),
    # A link from elsewhere: two queries find the job.
    "dead/letter/{letter}": (4, 240),
    "queues": (1, 10),
    "tenants/org_7": (4, 40),
    "effects": (1, 20),
    "schedule": (3, 110),
    "cost": (2, 110),
    "audit": (1, 50),
    "mails": (0, 0),
    "help": (0, 0),
}
MOST_BYTES = 150_000


@pytest.fixture(scope="module")
def state() -> Iterator[tuple[Cloud, CountedDynamoDb]]:
    clock = VirtualClock()
    with pytest.MonkeyPatch.context() as patch, mocked_cloud(clock, patch) as cloud:
        counted = CountedDynamoDb(cloud, (STATE,))
        night = BusyNight(cloud)
        for queue in queue_depth.queues(night.entries):
            cloud.sqs.create_queue(QueueName=cloud.names.queue(queue))
        night.write()
        counted.database.load("state", map(attributes.row, large_state.rows(night.entries, clock.now())))
        cloud.__dict__["functions"] = SimpleNamespace(invoke=None)
        name = cloud.names.secret(internal_token.VIEWER_SECRET)
        cloud.secrets.create_secret(Name=name, SecretString="just looking")
        yield cloud, counted
        counted.close()


@pytest.fixture(scope="module")
def operator(state: tuple[Cloud, CountedDynamoDb]) -> Person:
    cloud, _ = state
    clock = cloud.clock
    assert isinstance(clock, VirtualClock)
    person = Person(Console(cloud, Lines(clock)))
    assert person.sign_in("open sesame").status == 303
    return person


def paths(counted: CountedDynamoDb) -> dict[str, tuple[str, int, int]]:
    """Each pattern of BOUNDS with its path, calls and units."""
    busy = sorted(manifest.load())[0]
    run = counted.database.partition("state", f"runs#{busy}#2026-03-02")[-1]["sk"]["S"]
    row = attributes.plain(counted.database.partition("state", f"dead#{busy}")[-1])
    names = {"busy": busy, "run": run, "letter": row["id"], "fingerprint": row["fingerprint"]}
    return {pattern: (f"/ui/{pattern.format(**names)}", *bound) for pattern, bound in BOUNDS.items()}


def test_every_page_has_a_bound() -> None:
    bounded = {pattern.partition("?")[0].partition("/")[0] for pattern in BOUNDS}
    assert bounded == PAGE_PATHS.keys()


def test_pages_keep_their_bounds_with_a_hundred_thousand_runs(
    operator: Person, state: tuple[Cloud, CountedDynamoDb]
) -> None:
    _, counted = state
    held = len(counted.database.shared_rows("state"))
    assert held > large_state.RUNS
    files = sum(len(gzip.compress(_assets._content(name))) for name in (_assets.STYLE, *_assets.SCRIPTS))
    beyond = {}
    for pattern, (path, calls, units) in paths(counted).items():
        counted.calls.clear()
        seen = operator.get(path)
        assert seen.status == (404 if pattern == "mails" else 200), (path, seen.text[-500:])
        size = files + len(gzip.compress(seen.text.encode()))
        assert "Scan" not in dict(counted.calls)
        print(f"{pattern:<32} {len(counted.calls):>3} calls {counted.units:>7} units {size:>8} bytes {len(seen.text)}")
        if len(counted.calls) > calls or counted.units > units or size > MOST_BYTES:
            beyond[path] = (counted.calls, counted.units, size)
    assert beyond == {}
