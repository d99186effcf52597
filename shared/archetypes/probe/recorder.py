"""Record the results of a probe while other sites are visited."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from shared import clock, redaction
from shared.archetypes.probe.visit import Verdict, VisitResult
from shared.concurrency import Overdue
from shared.run import status

if TYPE_CHECKING:
    from shared.http.sites import Site
    from shared.run.context import RunContext

# Results that are recorded at once. Each takes three calls, one after the other.
WIDTH = 8
# Results that wait for a thread; more would hold their responses in memory.
WAITING = 2 * WIDTH
# Statuses whose Retry-After is honoured.
BUSY = (429, 503)


class RecordedProbe(Protocol):
    """The part of a probe that a recorder uses."""

    @property
    def name(self) -> str: ...

    @property
    def patience(self) -> float: ...

    @property
    def sampled(self) -> bool: ...


class HostRecorder:
    """Context manager that writes artifact and status of each result.

    `with HostRecorder(...) as recorder: recorder.add(site, result)`.

    The block ends when all are written, and raises the first failure. After an exception or a deadline it does not wait
    for running writes: they may end later, since a status never replaces that of a later run.

    items: the status items of the hosts as they were read.
    """

    #: Verdict of each host that is recorded.
    verdicts: dict[str, Verdict]

    def __init__(self, job: RecordedProbe, run: RunContext, items: Mapping[str, Mapping[str, Any]]) -> None:
        self.job = job
        self.run = run
        self.items = items
        self.verdicts = {}
        self._running: deque[tuple[str, Future[Verdict]]] = deque()

    def __enter__(self) -> HostRecorder:
        self._pool = ThreadPoolExecutor(WIDTH, "probe-record")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            while kind is None and self._running:
                self._collect()
        finally:
            self._pool.shutdown(wait=kind is None or issubclass(kind, Exception), cancel_futures=True)

    def add(self, site: Site, result: VisitResult | Exception) -> None:
        while len(self._running) >= WAITING:
            self._collect()
        self._running.append((site.host, self._pool.submit(self._record, site.host, result)))

    def _collect(self) -> None:
        host, recorded = self._running.popleft()
        self.verdicts[host] = recorded.result()

    def _record(self, host: str, result: VisitResult | Exception) -> Verdict:
        """Write a site's artifact, then its status.

        A site with a status is not visited again in this tick.
        """
        job, run = self.job, self.run
        if not isinstance(result, VisitResult):
            ms = round(job.patience * 1000) if isinstance(result, Overdue) else 0
            result = VisitResult(Verdict(False, str(result)), None, ms)
        verdict, code = result.verdict, result.answer.status if result.answer else None
        note = redaction.excerpt(verdict.note, redaction.SHORT)
        outcome = {"ok": verdict.ok, "ms": result.ms, "note": note}
        seen = dict(verdict.seen)
        if result.answer and job.sampled:
            seen["sample"] = result.answer.text
        seen = {name: redaction.sample(value) if isinstance(value, str) else value for name, value in seen.items()}
        record = {"kind": job.name, "status": code, **outcome, "tick": run.firing.position, **seen}
        # The pointer as the last run left it saves a read of it.
        written = run.write_artifact(record, host, status.pointer_of(self.items.get(host, {})))
        fields = {"outcome": "done", "at": clock.iso(run.cloud.clock.now()), "statusCode": code, **outcome}
        if result.answer and result.answer.retry_after and code in BUSY:
            # Later runs leave the site out until then.
            until = run.cloud.clock.now() + timedelta(seconds=result.answer.retry_after)
            fields["retryAfter"] = clock.iso(until)
        known = {name: value for name, value in fields.items() if value not in (None, "")}
        status.write_host(run.cloud, run.job, host, run.firing.position, known, run.started, written.pointer)
        run.log.info(f"{job.name}_judged", entityId=host, **known)
        return Verdict(verdict.ok, note)
