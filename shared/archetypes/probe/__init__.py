"""Probe: fetch a page of every site and judge it.

A bad site is a result, not a failure of the job.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from shared import clock
from shared.archetypes.probe.recorder import HostRecorder
from shared.archetypes.probe.visit import Verdict, Visit, VisitResult
from shared.concurrency import fan_out
from shared.http import sites
from shared.http.client import REDIRECTS, HostBusy, HttpClient, HttpResponse, NoResponse
from shared.http.sites import Site, Sites, host_of
from shared.job import retry_policies, settings
from shared.job.definition import FINISH_SECONDS, Job
from shared.job.idempotency import Idempotency, upsert
from shared.job.outcome import Done, Outcome
from shared.job.retry import RetryPolicy
from shared.job.setting import BASE_URLS, Setting
from shared.job.validation import DeclarationError, where
from shared.run import status
from shared.run.context import RunContext

__all__ = ["REDIRECTS", "HttpResponse", "NoResponse", "Probe", "Verdict", "Visit", "host_of"]

# Bad sites that a run's note names.
NAMED = 5


class Probe(Job, archetype=True):
    """Fetch `path` of each site in BASE_URLS and judge the response."""

    path: ClassVar[str] = "/"
    """Page to fetch, the default of `<ENV>_PATH`. Default: /."""
    plan_line: ClassVar[str] = "GET {url}"
    """Line of `--dry-run` for one site."""
    tries: ClassVar[int] = 2
    """Tries before a site is judged bad, `pause` seconds apart. Default: 2."""
    pause: ClassVar[float] = 2
    """Seconds between two tries. Default: 2."""
    width: ClassVar[int] = 8
    """Concurrent sites. Default: 8."""
    rate: ClassVar[float] = 4
    """Requests per second to one site. Default: 4."""
    connect_timeout: ClassVar[float] = 3
    """Seconds to connect. Default: 3."""
    read_timeout: ClassVar[float] = 10
    """Seconds to wait for data. Default: 10."""
    patience: ClassVar[float] = 60
    """Seconds for a whole visit, all tries together. Default: 60."""
    sampled: ClassVar[bool] = True
    """Whether the artifact contains a sample of the response. Default: True."""
    lease_per_target: ClassVar[bool] = False
    retry: ClassVar[RetryPolicy] = retry_policies.EXTERNAL_API
    idempotency: ClassVar[Idempotency | None] = upsert(
        "a site's status is overwritten, never by an older one; a run's artifacts contain its own id"
    )

    def __init_subclass__(cls, *, archetype: bool = False) -> None:
        super().__init_subclass__(archetype=archetype)
        if cls.patience >= cls.timeout - FINISH_SECONDS:
            raise DeclarationError(
                f"{where(cls)}: patience is {cls.patience} s, and a run with a timeout of {cls.timeout} s has "
                f"{cls.timeout - FINISH_SECONDS}; a visit must fit into a run"
            )

    def fetch(self, visit: Visit) -> HttpResponse:
        """Fetch the page; an exception makes the verdict bad."""
        return visit.http.call("GET", visit.url)

    def judge(self, answer: HttpResponse) -> Verdict:
        """Judge the response; an exception makes the verdict bad."""
        raise NotImplementedError

    @classmethod
    def targets(cls, environment: Mapping[str, str] | None = None) -> tuple[str, ...] | None:
        return sites.configured_hosts(environment)

    @classmethod
    def all_settings(cls) -> tuple[Setting, ...]:
        path = settings.text(f"{cls.env}_PATH", cls.path, f"Page of each site that {cls.name} fetches")
        return (*super().all_settings(), BASE_URLS, path)

    def plan(self, run: RunContext) -> list[str]:
        configured = sites.parse(run.setting(BASE_URLS.name))
        waiting, paused = sites.without_paused(run, self._waiting(run, configured, {}))
        visits = [self.plan_line.format(url=self._url(run, site)) for site in waiting]
        skipped = (*(f"{host}, paused by {why}" for host, why in paused.items()), *configured.invalid)
        return [*visits[: run.cap], *(f"skip {reason}" for reason in skipped)]

    def work(self, run: RunContext) -> Outcome:
        configured = sites.read(run)
        sites.forget_removed(run, configured, configured.hosts)
        items = status.read_hosts(run.cloud, self, configured.hosts)
        judged, held = self._judged(run, items), self._held(run, items)
        waiting, paused = sites.without_paused(run, self._waiting(run, configured, {**judged, **held}))
        bad = [f"{host} (at an earlier attempt)" for host, ok in judged.items() if not ok]
        visited = self._visit_all(run, configured, waiting[: run.cap], items, bad)
        count = len(judged) + visited
        through = waiting[:visited]
        if len(through) < len(waiting):
            # Paused sites behind the last visited one are counted by the next part.
            paused = {host: why for host, why in paused.items() if host < through[-1].host}
        done = self._done(run, configured, through, len(waiting), count, bad)
        extra = {name: len(hosts) for name, hosts in (("paused", paused), ("held", held)) if hosts}
        note = "; ".join(filter(None, (done.note, sites.paused_note(paused), _held_note(held))))
        return replace(done, counts={**done.counts, **extra}, note=note)

    def _visit_all(
        self,
        run: RunContext,
        configured: Sites,
        waiting: list[Site],
        items: Mapping[str, Mapping[str, Any]],
        bad: list[str],
    ) -> int:
        """Visit and record the sites until the run's time is up.

        Returns how many were visited.
        """
        visited = 0
        http = HttpClient(
            run.cloud,
            configured.hosts,
            rate=self.rate,
            connect=self.connect_timeout,
            read=self.read_timeout,
            remaining=run.remaining,
        )
        with closing(http), HostRecorder(self, run, items) as recorder:
            for site, result in fan_out(
                partial(self._visit, run, http),
                waiting,
                width=self.width,
                patience=self.patience,
                remaining=run.time_for_more,
            ):
                visited += 1
                run.spend(items=1)
                recorder.add(site, result)
        for host, verdict in recorder.verdicts.items():
            if not verdict.ok:
                bad.append(f"{host} ({verdict.note})" if verdict.note else host)
        return visited

    def _done(
        self, run: RunContext, configured: Sites, through: list[Site], waiting: int, count: int, bad: list[str]
    ) -> Done:
        earlier = run.checkpoint or {}
        before, named = earlier.get("bad", 0), earlier.get("named", [])
        names = f"{len(bad)} of {count} bad: {', '.join(sorted(bad)[:NAMED])}" if bad else ""
        # The firing has the reasons of its own tick's parts; a pass may also have begun in an earlier tick.
        if before and not run.firing.bad:
            names = "; ".join(
                filter(None, (names, f"{before} bad in earlier parts{': ' * bool(named)}{', '.join(named)}"))
            )
        return Done(
            counts={"hosts": count, "ok": count - len(bad), "bad": len(bad), "invalid": len(configured.invalid)},
            # The last part of a pass reports the verdict of all parts.
            ok=not bad and not before and not configured.unusable,
            note="; ".join(filter(None, (names, configured.note))),
            checkpoint={"after": through[-1].host, "bad": before + len(bad), "named": [*named, *sorted(bad)][:NAMED]}
            if len(through) < waiting
            else None,
        )

    def _url(self, run: RunContext, site: Site) -> str:
        return site.at(run.setting(f"{self.env}_PATH"))

    def _held(self, run: RunContext, items: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
        """Hosts with the end of their Retry-After, if it is not over.

        A manual run ignores it.
        """
        if run.firing.manual:
            return {}
        now = clock.iso(run.cloud.clock.now())
        held = {host: item["status"].get("retryAfter", "") for host, item in items.items() if "status" in item}
        return {host: until for host, until in held.items() if until > now}

    def _judged(self, run: RunContext, items: Mapping[str, Mapping[str, Any]]) -> dict[str, bool]:
        """Verdicts of an earlier attempt of this tick, by host."""
        if run.firing.attempt == 1:
            return {}
        return {host: item["status"]["ok"] for host, item in items.items() if item.get("tick") == run.firing.position}

    def _waiting(self, run: RunContext, configured: Sites, judged: Mapping[str, object]) -> list[Site]:
        """Sites to visit, ordered by host.

        The order lets a checkpoint survive a change of BASE_URLS.
        """
        after = (run.checkpoint or {}).get("after", "")
        return [
            site
            for site in sites.select(run, configured)
            if site.host not in judged and (site.host > after or site.host == run.target)
        ]

    def _visit(self, run: RunContext, http: HttpClient, site: Site) -> VisitResult:
        """Try until the verdict is good or all tries are used up.

        Runs in a thread of its own.
        """
        visit = Visit(run, http, site, self._url(run, site))
        result = self._try(visit)
        for _ in range(self.tries - 1):
            if result.verdict.ok:
                break
            run.cloud.clock.sleep(self.pause)
            try:
                result = self._try(visit)
            except HostBusy:
                break
        return result

    def _try(self, visit: Visit) -> VisitResult:
        started = time.monotonic()
        answer = None
        try:
            answer = self.fetch(visit)
            verdict = self.judge(answer)
        except HostBusy:
            raise
        except NoResponse as error:
            verdict = Verdict(False, str(error))
        except Exception as error:  # noqa: BLE001 - a response that cannot be processed makes the verdict bad
            verdict = Verdict(False, f"{type(error).__name__}: {error}")
            visit.run.log.warning(
                f"{self.name}_unreadable", entityId=visit.site.host, error=str(error), stack=traceback.format_exc()
            )
        return VisitResult(verdict, answer, answer.ms if answer else round((time.monotonic() - started) * 1000))


def _held_note(held: Mapping[str, str]) -> str:
    hosts = ", ".join(f"{host} (until {until})" for host, until in sorted(held.items())[:NAMED])
    return f"{len(held)} asked not to be called: {hosts}" if held else ""
