from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from functions.sites._evaluation import Evaluator
from functions.sites._evaluation_result import EvaluationResult, from_report
from functions.sites._webevals import Task, Webevals
from shared import clock, redaction
from shared.concurrency import Overdue, fan_out
from shared.http import sites as targets
from shared.http.client import HttpClient
from shared.http.sites import Site, Sites, host_of
from shared.job import (
    NO_TARGET,
    Budget,
    Done,
    Job,
    Outcome,
    RunContext,
    every,
    keyed,
    read_rows,
    settings,
    tables,
    write_rows,
)
from shared.job.lease_margin import lease_seconds
from shared.job.setting import Setting
from shared.run import status

BASE_URLS = settings.BASE_URLS


def _hosts(text: str) -> tuple[str, ...]:
    """Parse hosts or URLs, separated by commas, in any letter case."""
    names = (part.strip() for part in text.split(","))
    return tuple(host_of(name if "://" in name else f"https://{name}") for name in names if name)


HOSTS = Setting("WEB_EVAL_EXEC_HOSTS", "", "Hosts of BASE_URLS whose web evaluations are executed", _hosts)
WIDTH = 4
RATE = 2
# Seconds for the site to evaluate a page, and for one task in total.
EVALUATION = 60
PATIENCE = 150


class Webeval(Job):
    """Execute queued web evaluations on their sites, and store the results."""

    schedule = every(minutes=5, offset=2)
    env = "WEB_EVAL_EXEC"
    costly = True
    cap = 10
    budget = Budget(items=1000, per="day")
    lease_per_target = False
    settings = (BASE_URLS, HOSTS)
    permissions = (read_rows(tables.WEBEVALS.name), write_rows(tables.WEBEVALS.name))
    idempotency = keyed("a task is claimed by a conditional write, and its id is the site's idempotency key")

    @classmethod
    def targets(cls, environment: Mapping[str, str] | None = None) -> tuple[str, ...] | None:
        return targets.configured_hosts(environment)

    def plan(self, run: RunContext) -> list[str]:
        sites, _ = targets.without_paused(run, self._sites(run, targets.read(run)))
        tasks = self._due(run, Webevals(run.cloud, run.run_id), sites, run.cap)
        return [f"have {site.host} evaluate {task.url} (task {task.id})" for site, task in tasks]

    def work(self, run: RunContext) -> Outcome:
        tasks, found = Webevals(run.cloud, run.run_id), targets.read(run)
        named = self._sites(run, found)
        targets.forget_removed(run, found, [site.host for site in named])
        sites, held = targets.without_paused(run, named)
        begun: int = (run.checkpoint or {}).get(run.firing.position, 0)
        due = self._due(run, tasks, sites, run.cap - begun)
        if due:
            # The cap limits all attempts of a tick together: a retry may begin what is left of it.
            run.save({run.firing.position: begun + len(due)})
        # Read before the tasks are executed: what this run ends is known to it.
        earlier = [from_report(task, site.host, seen) for site in sites for task, seen in tasks.unreported(site.host)]
        executed, errors = self._execute(run, tasks, due)
        ends = [*earlier, *executed]
        for site in sites:
            self._report(run, tasks, site.host, [end for end in ends if end.task.host == site.host])
        if errors:
            raise errors[0]
        states = Counter(end.state.replace(" ", "_") for end in ends)
        faults = [f"{end.task.host}: {end.note}" for end in ends if not end.ok]
        missing = sorted({*run.setting(HOSTS.name)} - {site.host for site in named}) if run.target == NO_TARGET else []
        notes = [*faults[:3], *(f"{host} of {HOSTS.name} is not in {BASE_URLS.name}" for host in missing)]
        if held:
            notes.append(targets.paused_note(held))
            states["paused"] = len(held)
        return Done({"due": len(due), **states}, ok=not faults and not missing, note="; ".join(notes))

    def _sites(self, run: RunContext, found: Sites) -> list[Site]:
        allowed = run.setting(HOSTS.name)
        return [site for site in targets.select(run, found) if site.host in allowed]

    def _due(self, run: RunContext, tasks: Webevals, sites: list[Site], most: int) -> list[tuple[Site, Task]]:
        """Due tasks of all sites, the oldest first."""
        if most < 1:
            return []
        found = [(site, task) for site in sites for task in tasks.due(site.host, most)]
        return sorted(found, key=lambda pair: pair[1].due)[:most]

    def _execute(
        self, run: RunContext, tasks: Webevals, due: list[tuple[Site, Task]]
    ) -> tuple[list[EvaluationResult], list[Exception]]:
        ends, errors = [], []
        http = HttpClient(
            run.cloud, {site.host for site, _ in due}, rate=RATE, read=EVALUATION, remaining=run.remaining
        )
        evaluator = Evaluator(tasks, http, run.cloud.clock, lease_seconds(self.timeout, run.cloud.environment))
        with closing(http):
            for (site, task), end in fan_out(
                lambda pair: evaluator.execute(*pair),
                due,
                width=WIDTH,
                patience=PATIENCE,
                remaining=run.time_for_more,
            ):
                run.spend(items=1)
                match end:
                    case EvaluationResult():
                        ends.append(end)
                    case Overdue():
                        # The claim expires, and the task is due again.
                        ends.append(EvaluationResult(task, "retried", clock.iso(run.cloud.clock.now()), str(end)))
                    case _:
                        errors.append(end)
                        run.log.error(f"{self.name}_broke", entityId=site.host, task=task.id, error=str(end))
        return ends, errors

    def _report(self, run: RunContext, tasks: Webevals, host: str, ends: list[EvaluationResult]) -> None:
        """Write a host's artifact and status if a task was executed.

        Then the reports are removed from the rows, last: after a crash, or a failed write, the next run reads the
        reports and writes both.
        """
        executed = [end for end in ends if end.is_reported]
        if not executed:
            return
        ok = all(end.ok for end in executed)
        worst = next((end for end in executed if not end.ok), executed[-1])
        ms = max(end.ms for end in executed)
        record: dict[str, Any] = {"kind": self.name, "ok": ok, "status": worst.status, "ms": ms}
        seen = [
            {"task": end.task.id, "state": end.state, "note": end.note, "ms": end.ms, "sample": end.sample}
            for end in executed
        ]
        run.write_artifact({**record, "tasks": seen}, host)
        fields = {"outcome": "done", "ok": ok, "at": clock.iso(run.cloud.clock.now()), "ms": ms}
        if worst.status is not None:
            fields["statusCode"] = worst.status
        if worst.note:
            fields["note"] = redaction.excerpt(worst.note, redaction.SHORT)
        # Ordered by the last attempt, not by this run: a repeated write of the same result counts once in the streak.
        last = max(clock.parse(end.at) for end in executed)
        status.write_host(run.cloud, self, host, run.firing.position, fields, last)
        for end in executed:
            tasks.reported(end.task.id, end.report())
