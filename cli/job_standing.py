"""The state of each job in one word, the worst first.

Made from the status of the job and of its targets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from shared.aws.cloud import Cloud
from shared.job.definition import Job
from shared.job.manifest import Entry
from shared.job.outcome import verdict_word
from shared.store import failure_index, keys
from shared.text.human import counted

# How far back failed messages of a tenant are counted.
TENANT_PERIOD = timedelta(hours=24)
NOT_RUN = "not run yet"
# In the order of the list.
KINDS = ("failing", "running", "paused", "fine", NOT_RUN)


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of a job and of its targets."""

    job: str
    #: Status key of the job.
    key: str
    #: Views of `status_view`, by status key.
    views: Mapping[str, dict[str, Any]]
    #: What failed for the tenant that was asked for, and its pause.
    tenant_note: str = ""
    tenant_failures: int = 0

    @property
    def own(self) -> dict[str, Any]:
        return self.views.get(self.key, {})

    @property
    def bad(self) -> list[str]:
        """The status keys whose last run was not good."""
        return [key for key, view in self.views.items() if not view.get("ok", True)]

    @property
    def failing(self) -> bool:
        return bool(self.bad or self.tenant_failures)

    @property
    def kind(self) -> str:
        """One of `KINDS`."""
        if self.failing:
            return "failing"
        if any(view["state"] == "PROCESSING" for view in self.views.values()):
            return "running"
        if any("paused" in view or view.get("pauses") for view in self.views.values()):
            return "paused"
        return "fine" if any("outcome" in view for view in self.views.values()) else NOT_RUN

    @property
    def word(self) -> str:
        """The kind, or the outcome of the run that decided it."""
        kind = self.kind
        if kind == "failing":
            return verdict_word(str(self._worst.get("outcome", "failed")), ok=False)
        if kind == "running":
            progress = (view.get("progress", 0) for view in self.views.values() if view["state"] == "PROCESSING")
            return f"running {min(progress)} %"
        return str(self.own.get("outcome", "done")) if kind == "fine" else kind

    @property
    def last(self) -> str:
        return max((view.get("at", "") for view in self.views.values()), default="")

    @property
    def last_good(self) -> str:
        own = str(self.own.get("lastGood", ""))
        return own or max((view.get("lastGood", "") for view in self.views.values()), default="")

    @property
    def targets(self) -> str:
        """`3 of 25 bad`, `25`, or empty without targets."""
        count = sum(key != self.key for key in self.views)
        bad = sum(key != self.key for key in self.bad)
        return f"{bad} of {count} bad" if bad else str(count or "")

    @property
    def note(self) -> str:
        return "; ".join(self._notes())

    @property
    def _worst_key(self) -> str:
        """The job's own key if bad, else its first bad target.

        Empty without one.
        """
        bad = self.bad
        return self.key if self.key in bad else next(iter(bad), "")

    @property
    def _worst(self) -> dict[str, Any]:
        return self.views.get(self._worst_key, {})

    def _notes(self) -> Iterator[str]:
        if self.tenant_note:
            yield self.tenant_note
        if (streak := self._worst.get("streak", 0)) > 1:
            yield f"{streak} in a row"
        if key := self._worst_key:
            where = "" if key == self.key else f"{key.removeprefix(f'{self.key}:')}: "
            yield f"{where}{self.views[key].get('note') or 'no reason given'}"
        elif self.own.get("note"):
            yield str(self.own["note"])
        for view in self.views.values():
            if "paused" in view:
                yield f"paused: {view['paused']}"
                break
        for part, text in self.own.get("pauses", {}).items():
            yield f"paused for {part.replace('#', ' ', 1)}: {text}"


def by_job(entries: Mapping[str, Entry], views: Mapping[str, dict[str, Any]]) -> list[Standing]:
    """Return the standing of every job, failing ones first."""
    by_key: dict[str, dict[str, dict[str, Any]]] = {keys.claims(entry["key"]): {} for entry in entries.values()}
    for key, view in views.items():
        own = key if key in by_key else max((each for each in by_key if key.startswith(f"{each}:")), key=len)
        by_key[own][key] = view
    found = (Standing(job, own := keys.claims(entry["key"]), by_key[own]) for job, entry in entries.items())
    return _sorted(found)


def of_tenant(cloud: Cloud, jobs: Mapping[str, Job], found: Sequence[Standing], tenant: str) -> list[Standing]:
    """Return the jobs with failed messages or a pause of an organization.

    One query of an index.
    """
    failed: dict[str, list[dict[str, Any]]] = {}
    for row in failure_index.of_tenant(cloud, tenant, cloud.clock.now() - TENANT_PERIOD):
        if failure_index.kind(row) == failure_index.RUN:
            failed.setdefault(row["job"], []).append(row)
    shown = []
    for each in found:
        if not jobs[each.job].queue:
            continue
        bad = failed.get(each.job, [])
        note = ""
        if bad:
            note = f"{counted(len(bad), 'message')} of {tenant} failed in 24 h, the last with: {bad[0].get('note', '')}"
        if bad or f"tenant#{tenant}" in each.own.get("pauses", {}):
            shown.append(replace(each, tenant_note=note, tenant_failures=len(bad)))
    return _sorted(shown)


def sums(found: Iterable[Standing]) -> str:
    """Count the jobs by kind: `25 jobs: 3 failing, 22 fine`."""
    kinds = Counter(each.kind for each in found)
    parts = (f"{kinds[kind]} {kind}" for kind in KINDS if kinds[kind])
    return ": ".join(filter(None, (counted(kinds.total(), "job"), ", ".join(parts))))


def _sorted(found: Iterable[Standing]) -> list[Standing]:
    """Sort failing jobs first, those that failed longest ago before others."""
    return sorted(found, key=lambda each: (KINDS.index(each.kind), each.last_good if each.failing else "", each.job))
