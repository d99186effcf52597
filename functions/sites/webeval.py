from __future__ import annotations

from collections import Counter
from contextlib import closing
from typing import Any

from functions.sites._evaluation import End, Evaluator
from functions.sites._webevals import Task, Webevals
from shared import clock, redaction
from shared.aws.names import NO_TARGET
from shared.aws.permissions import read_rows, write_rows
from shared.concurrency import Overdue, fan_out
from shared.http import sites as targets
from shared.http.client import Http
from shared.http.sites import Target, Targets
from shared.job import settings
from shared.job.budget import Budget
from shared.job.definition import Job
from shared.job.idempotency import keyed
from shared.job.outcome import Done, Outcome
from shared.job.schedule import every
from shared.job.settings import BASE_URLS
from shared.run import status
from shared.run.claim import LEASE_MARGIN
from shared.run.context import Tick
from shared.tables import WEBEVALS

HOSTS = settings.names("WEB_EVAL_EXEC_HOSTS", "", "Hosts of BASE_URLS whose web evaluations are executed")
WIDTH = 4
RATE = 2
# Seconds for the site to evaluate a page, and for one task all in all.
EVALUATION = 60
PATIENCE = 150


class Webeval(Job):
    """Execute queued web evaluations: claim each, have its site do it, store the result."""

    schedule = every(minutes=5, offset=2)
    env = "WEB_EVAL_EXEC"
    costly = True
    cap = 10
    budget = Budget(items=1000, per="day")
    lease_per_target = False
    settings = (BASE_URLS, HOSTS)
    permissions = (read_rows(WEBEVALS.name), write_rows(WEBEVALS.name))
    idempotency = keyed("a task is claimed by one conditional write, and its id is the key that the site remembers")

    def plan(self, tick: Tick) -> list[str]:
        sites, _ = targets.awake(tick, self._sites(tick, targets.read(tick)))
        tasks = self._due(tick, Webevals(tick.cloud, tick.run), sites, tick.cap)
        return [f"have {site.host} evaluate {task.url} (task {task.id})" for site, task in tasks]

    def work(self, tick: Tick) -> Outcome:
        tasks, found = Webevals(tick.cloud, tick.run), targets.read(tick)
        named = self._sites(tick, found)
        targets.forget(tick, found, [site.host for site in named])
        sites, held = targets.awake(tick, named)
        begun: int = (tick.checkpoint or {}).get(tick.firing.position, 0)
        due = self._due(tick, tasks, sites, tick.cap - begun)
        if due:
            # What a retry of this tick may still begin: the cap holds for all of its attempts.
            tick.save({tick.firing.position: begun + len(due)})
        ends, errors = self._execute(tick, tasks, due)
        for site in sites:
            self._show(tick, site.host, [end for end in ends if end.task.host == site.host])
        if errors:
            raise errors[0]
        states = Counter(end.state.replace(" ", "_") for end in ends)
        faults = [f"{end.task.host}: {end.note}" for end in ends if not end.ok]
        missing = (
            sorted({*tick.setting(HOSTS.name)} - {site.host for site in named}) if tick.target == NO_TARGET else []
        )
        notes = [*faults[:3], *(f"{host} of {HOSTS.name} is not in {BASE_URLS.name}" for host in missing)]
        if held:
            notes.append(targets.told(held))
            states["paused"] = len(held)
        return Done({"due": len(due), **states}, ok=not faults and not missing, note="; ".join(notes))

    def _sites(self, tick: Tick, found: Targets) -> list[Target]:
        allowed = tick.setting(HOSTS.name)
        return [site for site in targets.chosen(tick, found) if site.host in allowed]

    def _due(self, tick: Tick, tasks: Webevals, sites: list[Target], most: int) -> list[tuple[Target, Task]]:
        """The eldest first, whichever site they are for."""
        if most < 1:
            return []
        found = [(site, task) for site in sites for task in tasks.due(site.host, most)]
        return sorted(found, key=lambda pair: pair[1].due)[:most]

    def _execute(
        self, tick: Tick, tasks: Webevals, due: list[tuple[Target, Task]]
    ) -> tuple[list[End], list[Exception]]:
        ends, errors = [], []
        http = Http(tick.cloud, {site.host for site, _ in due}, rate=RATE, read=EVALUATION, remaining=tick.remaining)
        evaluator = Evaluator(tasks, http, tick.cloud.clock, self.timeout + LEASE_MARGIN)
        with closing(http):
            for (site, task), end in fan_out(
                lambda pair: evaluator.execute(*pair),
                due,
                width=WIDTH,
                patience=PATIENCE,
                remaining=tick.room,
            ):
                tick.spend(items=1)
                match end:
                    case End():
                        ends.append(end)
                    case Overdue():
                        # Its claim runs out by itself; then the task is due again.
                        ends.append(End(task, "retried", str(end)))
                    case _:
                        errors.append(end)
                        tick.log.error(f"{self.name}_broke", entityId=site.host, task=task.id, error=str(end))
        return ends, errors

    def _show(self, tick: Tick, host: str, ends: list[End]) -> None:
        """Status and artifact of a host that something was done for."""
        told = [end for end in ends if end.state in ("done", "failed", "retried")]
        if not told:
            return
        ok = all(end.ok for end in told)
        worst = next((end for end in told if not end.ok), told[-1])
        ms = max(end.ms for end in told)
        record: dict[str, Any] = {"kind": self.name, "ok": ok, "status": worst.status, "ms": ms}
        seen = [
            {"task": end.task.id, "state": end.state, "note": end.note, "ms": end.ms, "sample": end.sample}
            for end in told
        ]
        tick.keep({**record, "tasks": seen}, host)
        said = {"outcome": "done", "ok": ok, "at": clock.iso(tick.started), "ms": ms}
        if worst.status is not None:
            said["statusCode"] = worst.status
        if worst.note:
            said["note"] = redaction.excerpt(worst.note, redaction.SHORT)
        status.write_host(tick.cloud, self, host, tick.firing.position, said)
