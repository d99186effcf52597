"""CPU time of the console pages with 100,000 runs stored.

    python -m benchmarks.console [--requests 20]

The pages and DynamoDB run in this process, in memory: a figure contains both, and no network. Exit code 1 if the 95th
percentile of a page is 100 ms of CPU or more.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Sequence
from statistics import median, quantiles

import pytest

from functions.console._ui import Console
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.messages import queue_depth
from shared.observability.log import Log
from shared.tables import STATE
from tests.conftest import VirtualClock, mocked_cloud
from tests.support import large_state
from tests.support.console_browser import Person
from tests.support.console_state import BusyNight
from tests.support.counted_dynamodb import CountedDynamoDb

MOST_MS = 100.0
PAGES = (
    *("now", "jobs", "jobs/pricing", "failures", "dead", "tenants/org_7", "effects", "schedule", "cost", "audit"),
    *("plans", "help"),
)


def measured(person: Person, page: str, requests: int) -> list[float]:
    """Milliseconds of CPU for each request, the first one left out."""
    took = []
    for _ in range(requests + 1):
        began = time.process_time()
        assert person.get(f"/ui/{page}").status == 200
        took.append((time.process_time() - began) * 1000)
    return took[1:]


def seeded(cloud: Cloud) -> Person:
    """An operator at a console over the large state."""
    counted = CountedDynamoDb(cloud, (STATE,))
    night = BusyNight(cloud)
    for queue in queue_depth.queues(night.entries):
        cloud.sqs.create_queue(QueueName=cloud.names.queue(queue))
    night.write()
    counted.database.load("state", map(attributes.row, large_state.rows(night.entries, cloud.clock.now())))
    person = Person(Console(cloud, Log(lambda _: None)))
    assert person.sign_in("open sesame").status == 303
    return person


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.console", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--requests", type=int, default=20, help="of each page (default: 20)")
    given = parser.parse_args(arguments)
    missed = False
    with pytest.MonkeyPatch.context() as patch, mocked_cloud(VirtualClock(), patch) as cloud:
        person = seeded(cloud)
        # A collection would walk the stored rows, which on AWS are elsewhere.
        gc.collect()
        gc.freeze()
        for page in PAGES:
            took = measured(person, page, given.requests)
            late = quantiles(took, n=20)[18]
            missed |= late >= MOST_MS
            print(f"{page:<16} p50 {median(took):6.1f} ms   p95 {late:6.1f} ms of CPU")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
