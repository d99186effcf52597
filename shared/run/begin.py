"""Begin a run: id, start time, time allowance and log fields."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from shared.job.definition import FINISH_SECONDS, Job
from shared.run.context import RunContext
from shared.run.firing import Batch, Firing

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.observability.log import Log


def run_id(started: datetime) -> str:
    """Return a new id such as `20261121T220500.123Z-9f2c61aa`.

    Ids sort by start; the random part makes each unique to its invocation.
    """
    at = started.astimezone(UTC)
    return f"{at:%Y%m%dT%H%M%S}.{at.microsecond // 1000:03d}Z-{secrets.token_hex(4)}"


def begin(
    job: Job, firing: Firing, cloud: Cloud, log: Log, seconds: float | None = None, batch: Batch | None = None
) -> RunContext:
    """Return the context of a new run.

    `seconds`: time left in the invocation (default: the job's timeout).
    """
    started = cloud.clock.now()
    own_id = run_id(started)
    log = log.bind(job=job.name, jobId=own_id, entityId=firing.target, correlationId=firing.correlation_id)
    run = RunContext(job, firing, cloud, own_id, started, log, batch=batch)
    run.time_allowed = min(job.timeout, seconds or job.timeout) - FINISH_SECONDS
    return run
