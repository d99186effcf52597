"""Runs of a job as the table `state` has them.

Those that hold a claim now, and the history.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.aws.cloud import Cloud
from shared.job import retention
from shared.job.declared_job import DeclaredJob
from shared.job.outcome import WORDS, verdict_word
from shared.redaction import SHORT, excerpt
from shared.store import failure_index, keys, table
from shared.tables import FAILURE_KEYS, STATE, TTL

if TYPE_CHECKING:
    from shared.job.definition import Job

# Outcomes of runs that executed code of their job.
EXECUTED = ("done", "failed", "lost", "refused")
# Verdicts of runs that are not good, which the index of failures has.
NOT_GOOD = ("bad", "failed", "lost", "refused", "missed")
# Every word that `--outcome` takes.
VERDICTS = tuple(dict.fromkeys((*NOT_GOOD, *WORDS)))
# How far back the failures of all jobs are listed by default: each day takes four queries.
FAILURES_PERIOD = timedelta(days=7)
# No row is older: it is retained from the end of its run.
OLDEST = retention.LONGEST + timedelta(days=1)
# Attributes in which `search` looks.
SEARCHED = ("note", "run_id", "target", "entityId", "tenant", "messageId", "fingerprint")
# Bookkeeping of the table, not of the run.
HIDDEN = ("pk", "sk", "duplicate", TTL, *FAILURE_KEYS)


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Conditions that a run must meet, all of them.

    An empty condition is met by each.
    """

    job: str = ""
    #: Verdicts, any of which it has.
    outcomes: tuple[str, ...] = ()
    tenant: str = ""
    #: Target, or entity of a failed message.
    entity: str = ""
    since: datetime | None = None
    #: Part of its note, id, target, entity or organization, in any case.
    search: str = ""

    def __bool__(self) -> bool:
        return bool(self.outcomes or self.tenant or self.entity or self.since or self.search)

    def __contains__(self, run: Mapping[str, Any]) -> bool:
        return (
            self.job in ("", run["job"])
            and (not self.outcomes or verdict_word(run["outcome"], run.get("ok", True)) in self.outcomes)
            # Rows show texts of messages redacted and cut.
            and (not self.tenant or run.get("tenant") == excerpt(self.tenant, SHORT))
            and (not self.entity or excerpt(self.entity, SHORT) in (run.get("entityId"), run.get("target")))
            and (self.since is None or (run.get("started") or "") >= clock.iso(self.since))
            and (not self.search or self.search.casefold() in _searched(run))
        )


def _searched(run: Mapping[str, Any]) -> str:
    return "\n".join(str(run.get(name, "")) for name in SEARCHED).casefold()


def matching(cloud: Cloud, job: Job | DeclaredJob | None, wanted: RunFilter) -> Iterator[dict[str, Any]]:
    """History rows that match, newest first.

    The runs of one job are read from its own partitions; those of an organization, and of all jobs, from an index.
    """
    now = cloud.clock.now()
    rows: Iterator[dict[str, Any]]
    if wanted.tenant:
        found = failure_index.of_tenant(cloud, wanted.tenant, wanted.since or now - OLDEST)
        rows = (_shown(row) for row in found if failure_index.kind(row) == failure_index.RUN)
    elif job is not None:
        rows = ended(cloud, job, wanted.since)
    else:
        since = max(wanted.since or now - FAILURES_PERIOD, now - OLDEST)
        rows = map(_shown, failure_index.failed_runs(cloud, since))
    return (row for row in rows if row in wanted)


def running(cloud: Cloud, job: Job | DeclaredJob) -> Iterator[dict[str, Any]]:
    """One row for each held claim, also with an expired lease."""
    now = clock.milliseconds(cloud.clock.now())
    for item in _newest_first(cloud, keys.claims(job.key)):
        if "holder" in item:
            holds_lease = item.get("lease_until", 0) >= now
            yield {
                "run_id": item["holder"],
                "job": job.name,
                "target": item["sk"],
                "tick": item.get("last_attempt", "").rpartition("#")[0] or None,
                "started": item.get("started"),
                "outcome": "running" if holds_lease else "dead",
                "note": f"{item.get('step', 'started')} {item.get('progress', 0)} %"
                if holds_lease
                else "its lease has expired; the reconciler will mark it lost",
            }


def ended(
    cloud: Cloud, job: Job | DeclaredJob, since: datetime | None = None, attributes_read: Sequence[str] = ()
) -> Iterator[dict[str, Any]]:
    """History rows, newest first.

    One query a day, back to the day of `since` (default: the last day within retention).

    attributes_read: besides the run's id; all attributes if empty.
    """
    # The outcome and the expiry decide whether a row is yielded.
    read = (*attributes_read, "sk", "outcome", TTL) if attributes_read else ()
    now = cloud.clock.now()
    # One day more: a row is stored under the day of its run's start and retained from its end.
    oldest = now - retention.read(job.retention).failed.age - timedelta(days=1)
    if since is not None:
        oldest = max(oldest, since)
    for days in range((now.date() - oldest.date()).days + 1):
        day = now - timedelta(days=days)
        for item in _newest_first(cloud, keys.runs(job.name, f"{day:%Y-%m-%d}"), dict.fromkeys(read)):
            if item.get(TTL, 0) > now.timestamp() and "outcome" in item:
                yield _shown(item)


def started_since(cloud: Cloud, job: str, since: datetime) -> list[dict[str, Any]]:
    """History rows of runs that started at or after `since`, oldest first."""
    rows = [
        row
        for day in sorted({since.date(), cloud.clock.now().date()})
        for row in table.query(
            cloud,
            STATE,
            "pk = :pk AND sk >= :since",
            {":pk": keys.runs(job, f"{day:%Y-%m-%d}"), ":since": f"{since:%Y%m%dT%H%M%S}"},
        )
    ]
    # A row without an outcome counts duplicates of a run that has not ended.
    return [row for row in rows if "outcome" in row]


def _shown(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"run_id": item["sk"], **{name: value for name, value in item.items() if name not in HIDDEN}}


def _newest_first(cloud: Cloud, pk: str, attributes_read: Iterable[str] = ()) -> Iterator[dict[str, Any]]:
    return table.query(
        cloud, STATE, "pk = :pk", {":pk": pk}, attributes_read=tuple(attributes_read), ScanIndexForward=False
    )
