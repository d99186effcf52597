"""Sample failures: a failing job, its dead letter, and expired history."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from functions.operations.dead_letters import letter_row, put_payload
from shared import clock
from shared.aws.names import NO_TARGET
from shared.clock import Clock
from shared.dead_letters import store
from shared.job import manifest, registry, retention, tables
from shared.job.outcome import Failed
from shared.messages import queue_depth
from shared.run import claim_write, lost_runs, status
from shared.run.claim import Claim, Claims
from shared.run.firing import Firing
from shared.store import keys, table

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.job.definition import Job
    from shared.job.manifest import Entry

# The sample job that fails on purpose, by its place in functions/.
FAILING = "samples/crash"
ERROR = "SampleCrash: attempt 3 crashed on purpose"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# More than the streak from which job-monitoring alerts.
STREAK = 5


class _FixedClock(Clock):
    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


@dataclass(frozen=True, slots=True)
class SampleFailures:
    """The failures of one seed."""

    cloud: Cloud
    number: int

    @property
    def entries(self) -> dict[str, Entry]:
        return manifest.load()

    @property
    def now(self) -> datetime:
        return self.cloud.clock.now()

    def interrupt_run(self) -> int:
        """Leave a run of a failing job that was interrupted.

        Returns 0 while the job runs.
        """
        job = registry.load(FAILING, self.cloud.environment)
        item = lost_runs.claim_item(self.cloud, self.entries[job.name], NO_TARGET)
        if "holder" in item and not claim_write.lease_expired(item, self.now):
            return 0
        past = copy.copy(self.cloud)
        past.clock = _FixedClock(self.now - HOUR)
        claims, firing = Claims(past, job, NO_TARGET), Firing(job.name, past.clock.now(), correlation_id="seed")
        failed = claims.take(firing, self._run_id(past.clock.now(), "failed"), "seed-1")
        if not isinstance(failed, Claim):
            return 0
        before = {"streak": STREAK - 1}
        claims.finish(failed, firing, status.from_outcome(Failed(ERROR), past.clock.now(), 5, before), None, False)
        retry = firing.retry(ERROR, past.clock.now())
        interrupted = claims.take(retry, self._run_id(past.clock.now(), "interrupted"), "seed-2")
        return int(isinstance(interrupted, Claim))

    def store_dead_letters(self, count: int) -> int:
        """Store dead letters of the failing job; the first one has expired."""
        job = registry.load(FAILING, self.cloud.environment)
        ages = [31 * DAY, *(number * HOUR for number in range(1, count))]
        written = sum(self._store_dead_letter(job, age) for age in ages)
        store.record_job(self.cloud, job.name)
        return written

    def write_expired_runs(self) -> int:
        """Write a failed run of each consumer that is beyond its retention."""
        return sum(table.put_if_absent(self.cloud, tables.STATE, row) for row in self._expired_runs())

    def fill_dead_letter_queue(self) -> int:
        """Send a message to the dead-letter queue of a consumer."""
        queues = (queue_depth.dead_letter_queue(queue) for queue in sorted(queue_depth.queues(self.entries)))
        queue = next(filter(None, queues))
        body = json.dumps({"type": "seed", "payload": {"seed": self.number}})
        self.cloud.sqs.send_message(QueueUrl=self.cloud.names.queue_url(queue), MessageBody=body)
        return 1

    def _store_dead_letter(self, job: Job, age: timedelta) -> bool:
        at = clock.iso(self.now - age)
        fired = Firing(job.name, self.now - age, attempt=job.retry.attempts, first_failed_at=at, correlation_id="seed")
        subject = {"attempts": fired.attempt, "first_failed_at": at, "correlation_id": fired.correlation_id}
        reason = f"all {fired.attempt} attempts used up"
        letter = {"job": job.name, "reason": reason, "error": ERROR, "at": at, **subject, "firing": fired.data()}
        text = json.dumps({"dead": letter})
        row = letter_row(letter, text, self.now)
        put_payload(self.cloud, row, text)
        return table.put_if_absent(self.cloud, tables.STATE, row)

    def _expired_runs(self) -> Iterator[dict[str, Any]]:
        for name, entry in self.entries.items():
            if entry["queue"] is None:
                continue
            started = self.now - retention.read(entry["retention"]).failed.age - HOUR
            yield {
                **keys.run(name, self._run_id(started, name)).attributes,
                "job": name,
                "target": NO_TARGET,
                "attempt": 1,
                "outcome": Failed.word,
                "ok": False,
                "started": clock.iso(started),
                "ms": 5,
                "note": "ValueError: a sample of a failed message",
                # DynamoDB deletes days late; here it must leave the row to run-retention.
                tables.TTL: int((self.now + 7 * DAY).timestamp()),
            }

    def _run_id(self, started: datetime, name: str) -> str:
        digest = hashlib.sha256(f"{self.number} {name}".encode()).hexdigest()
        return f"{started:%Y%m%dT%H%M%S}.{started.microsecond // 1000:03d}Z-{digest[:8]}"
