"""Looks at every site, a few at a time, and says of each whether it is well. Sites are results, not failures."""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar

from shared import clock, redaction
from shared.concurrency import Overdue, fan_out
from shared.http import sites
from shared.http.client import Busy, HttpClient, HttpResponse, NoAnswer
from shared.http.sites import Site, Sites
from shared.job import retry_policies, settings
from shared.job.definition import FINISH_SECONDS, Job
from shared.job.idempotency import Idempotency, upsert
from shared.job.outcome import Done, Outcome
from shared.job.retry import RetryPolicy
from shared.job.settings import BASE_URLS, Setting
from shared.job.validation import DeclarationError, where
from shared.run import status
from shared.run.context import RunContext

NAMED = 5


@dataclass(frozen=True, slots=True)
class Verdict:
    """note: why not, for people. seen: for the artifact; what of it is foreign text is cut at 512 characters."""

    ok: bool
    note: str = ""
    seen: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Visit:
    """One site's turn."""

    run: RunContext
    http: HttpClient
    target: Site
    url: str


@dataclass(frozen=True, slots=True)
class Look:
    """What came of a visit; answer is None where none came."""

    verdict: Verdict
    answer: HttpResponse | None
    ms: int


class Probe(Job, archetype=True):
    """Asks each site in BASE_URLS for `path` and judges the answer.

    deed: what `--dry-run` says of a site. asks: how often a site is asked before it is called bad, `pause` seconds
    apart. width: sites at once. rate: calls a second to one site. connect_timeout, read_timeout: seconds of one call;
    patience: of a whole visit, all asks together. sampled: whether a sample of the answer goes into the artifact.
    """

    path: ClassVar[str] = "/"
    deed: ClassVar[str] = "GET {url}"
    asks: ClassVar[int] = 2
    pause: ClassVar[float] = 2
    width: ClassVar[int] = 8
    rate: ClassVar[float] = 4
    connect_timeout: ClassVar[float] = 3
    read_timeout: ClassVar[float] = 10
    patience: ClassVar[float] = 60
    sampled: ClassVar[bool] = True
    lease_per_target: ClassVar[bool] = False
    retry: ClassVar[RetryPolicy] = retry_policies.EXTERNAL_API
    idempotency: ClassVar[Idempotency | None] = upsert(
        "a site's status is overwritten, never by an older one; a run's artifacts bear its own id"
    )

    def __init_subclass__(cls, *, archetype: bool = False) -> None:
        super().__init_subclass__(archetype=archetype)
        if cls.patience >= cls.timeout - FINISH_SECONDS:
            raise DeclarationError(
                f"{where(cls)}: patience is {cls.patience} s, and a run with a timeout of {cls.timeout} s has "
                f"{cls.timeout - FINISH_SECONDS}; a visit must fit into a run"
            )

    def ask(self, visit: Visit) -> HttpResponse:
        """Whatever it raises is the site's verdict."""
        return visit.http.call("GET", visit.url)

    def judge(self, answer: HttpResponse) -> Verdict:
        raise NotImplementedError

    @classmethod
    def all_settings(cls) -> tuple[Setting, ...]:
        path = settings.text(f"{cls.env}_PATH", cls.path, f"The page of each site that {cls.name} begins with")
        return (*super().all_settings(), BASE_URLS, path)

    def plan(self, run: RunContext) -> list[str]:
        found = sites.parse(run.setting(BASE_URLS.name))
        todo, held = sites.awake(run, self._waiting(run, found, {}))
        visits = [self.deed.format(url=self._url(run, target)) for target in todo]
        skipped = (*(f"{host}, paused by {why}" for host, why in held.items()), *found.invalid)
        return [*visits[: run.cap], *(f"skip {fault}" for fault in skipped)]

    def work(self, run: RunContext) -> Outcome:
        found = sites.read(run)
        sites.forget(run, found, found.hosts)
        seen = self._seen(run, found.hosts)
        todo, held = sites.awake(run, self._waiting(run, found, seen))
        bad = [f"{host} (at an earlier attempt)" for host, ok in seen.items() if not ok]
        looked = len(seen)
        http = HttpClient(
            run.cloud,
            found.hosts,
            rate=self.rate,
            connect=self.connect_timeout,
            read=self.read_timeout,
            remaining=run.remaining,
        )
        with closing(http):
            look = partial(self._look, run, http)
            for target, result in fan_out(
                look, todo[: run.cap], width=self.width, patience=self.patience, remaining=run.room
            ):
                looked += 1
                run.spend(items=1)
                # The threads look, this one writes: none of them can write anything after the run is over.
                verdict = self._record(run, target, result)
                if not verdict.ok:
                    bad.append(f"{target.host} ({verdict.note})" if verdict.note else target.host)
        through = todo[: looked - len(seen)]
        if len(through) < len(todo):
            # The next part counts what comes after.
            held = {host: why for host, why in held.items() if host < through[-1].host}
        done = self._done(run, found, through, len(todo), looked, bad)
        if not held:
            return done
        note = "; ".join(filter(None, (done.note, sites.told(held))))
        return replace(done, counts={**done.counts, "paused": len(held)}, note=note)

    def _done(self, run: RunContext, found: Sites, through: list[Site], todo: int, looked: int, bad: list[str]) -> Done:
        before = (run.checkpoint or {}).get("bad", 0)
        told = f"{len(bad)} of {looked} bad: {', '.join(sorted(bad)[:NAMED])}" if bad else ""
        return Done(
            counts={"hosts": looked, "ok": looked - len(bad), "bad": len(bad), "invalid": len(found.invalid)},
            # Of a pass in several parts the last one speaks for all.
            ok=not bad and not before and not found.useless,
            note="; ".join(filter(None, (told, found.note))),
            checkpoint={"after": through[-1].host, "bad": before + len(bad)} if len(through) < todo else None,
        )

    def _url(self, run: RunContext, target: Site) -> str:
        return target.at(run.setting(f"{self.env}_PATH"))

    def _seen(self, run: RunContext, hosts: tuple[str, ...]) -> dict[str, bool]:
        """Sites that an earlier attempt of this very tick has judged already."""
        if run.firing.attempt == 1:
            return {}
        items = status.read_hosts(run.cloud, self, hosts)
        return {host: item["status"]["ok"] for host, item in items.items() if item.get("tick") == run.firing.position}

    def _waiting(self, run: RunContext, found: Sites, seen: Mapping[str, bool]) -> list[Site]:
        """Whom to visit, in the order of their hosts: a checkpoint holds although BASE_URLS may have changed."""
        after = (run.checkpoint or {}).get("after", "")
        return [
            target
            for target in sites.chosen(run, found)
            if target.host not in seen and (target.host > after or target.host == run.target)
        ]

    def _look(self, run: RunContext, http: HttpClient, target: Site) -> Look:
        """Ask until the answer is good, or asked often enough. Runs in a thread of its own."""
        visit = Visit(run, http, target, self._url(run, target))
        look = self._once(visit)
        for _ in range(self.asks - 1):
            if look.verdict.ok:
                break
            run.cloud.clock.sleep(self.pause)
            try:
                look = self._once(visit)
            except Busy:
                break
        return look

    def _once(self, visit: Visit) -> Look:
        clocked = time.monotonic()
        answer = None
        try:
            answer = self.ask(visit)
            verdict = self.judge(answer)
        except Busy:
            raise
        except NoAnswer as error:
            verdict = Verdict(False, str(error))
        except Exception as error:  # noqa: BLE001 - an answer that makes no sense is the site's verdict
            verdict = Verdict(False, f"{type(error).__name__}: {error}")
            visit.run.log.warning(
                f"{self.name}_unreadable", entityId=visit.target.host, error=str(error), stack=traceback.format_exc()
            )
        return Look(verdict, answer, answer.ms if answer else round((time.monotonic() - clocked) * 1000))

    def _ms(self, error: Exception) -> int:
        return round(self.patience * 1000) if isinstance(error, Overdue) else 0

    def _record(self, run: RunContext, target: Site, result: Look | Exception) -> Verdict:
        """Artifact, then status: the status says that the site is done with, for this tick."""
        look = result if isinstance(result, Look) else Look(Verdict(False, str(result)), None, self._ms(result))
        verdict, code = look.verdict, look.answer.status if look.answer else None
        note = redaction.excerpt(verdict.note, redaction.SHORT)
        told = {"ok": verdict.ok, "ms": look.ms, "note": note}
        seen = dict(verdict.seen)
        if look.answer and self.sampled:
            seen["sample"] = look.answer.text
        seen = {name: redaction.sample(value) if isinstance(value, str) else value for name, value in seen.items()}
        record = {"kind": self.name, "status": code, **told, "tick": run.firing.position, **seen}
        run.keep(record, target.host)
        said = {"outcome": "done", "at": clock.iso(run.started), "statusCode": code, **told}
        kept = {name: value for name, value in said.items() if value not in (None, "")}
        status.write_host(run.cloud, self, target.host, run.firing.position, kept)
        run.log.info(f"{self.name}_judged", entityId=target.host, **kept)
        return Verdict(verdict.ok, note)
