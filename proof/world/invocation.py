"""One invocation of a function, as `shared/handler.py` serves it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from shared.clock import Clock
from shared.job.definition import Job
from shared.messages.run_batch import run_batch
from shared.observability.log import Log
from shared.run import firing, send
from shared.run.firing import Batch, MalformedEvent
from shared.run.run import run

if TYPE_CHECKING:
    from proof.world.memory_cloud import MemoryCloud
    from proof.world.memory_lambda import PendingInvocation


class WorldLog(Log):
    """Log that keeps level, message and fields, without forming a line."""

    def __init__(self, time: Clock, lines: list[tuple[str, str, dict[str, Any]]] | None = None, **fields: Any) -> None:
        self.time = time
        self.lines = [] if lines is None else lines
        self.fields = fields

    def bind(self, **fields: Any) -> WorldLog:
        return WorldLog(self.time, self.lines, **{**self.fields, **fields})

    def info(self, message: str, **fields: Any) -> None:
        self.lines.append(("INFO", message, {**self.fields, **fields}))

    def warning(self, message: str, **fields: Any) -> None:
        self.lines.append(("WARNING", message, {**self.fields, **fields}))

    def error(self, message: str, **fields: Any) -> None:
        self.lines.append(("ERROR", message, {**self.fields, **fields}))

    def metric(self, job: str, values: Mapping[str, float]) -> None:
        self.lines.append(("METRIC", job, dict(values)))


def invoke(cloud: MemoryCloud, job: Job, invocation: PendingInvocation) -> Mapping[str, Any]:
    """Serve the event in the process of `cloud`.

    Raises ProcessEnded, and the exceptions of the handler.
    """
    log = cloud.world.log.bind(job=job.name)
    try:
        fired = firing.parse(job.name, invocation.event, cloud.clock.now())
    except MalformedEvent as error:
        send.send_dead_letter_for_event(cloud, job.name, "malformed event", str(error), invocation.event)
        return {"outcome": "rejected"}
    seconds = float(job.timeout)
    if isinstance(fired, Batch):
        failures = run_batch(job, fired, cloud, log, seconds)
        return {"batchItemFailures": [{"itemIdentifier": failure} for failure in failures]}
    return asdict(run(job, fired, cloud, log, invocation.request_id, seconds))
