from __future__ import annotations

import time
from contextlib import closing

from functions.sites._docs_crawl import Survey
from shared.http import sites as targets
from shared.http.client import HttpClient
from shared.job import Done, Job, Outcome, RunContext, hourly, retry_policies, settings, upsert
from shared.job.setting import BASE_URLS

PATH = settings.text("DOCS_PATH", "/docs/", "The page of each site that links to all of its documentation")
RATE = 10
NAMED = 50


class Docs(Job):
    """Check that every site's docs index is there and that its links are alive."""

    key = "docs-registry"
    schedule = hourly(minute=25)
    retry = retry_policies.EXTERNAL_API
    cap = 2000
    lease_per_target = False
    idempotency = upsert("the one status is overwritten; a run's artifact bears its own id")
    settings = (BASE_URLS, PATH)

    def plan(self, run: RunContext) -> list[str]:
        found = targets.parse(run.setting(BASE_URLS.name))
        sites, held = targets.without_paused(run, targets.select(run, found))
        return [
            *(f"GET {site.at(run.setting(PATH.name))}, then HEAD each of its own links" for site in sites),
            *(f"skip {host}, paused by {why}" for host, why in held.items()),
            *(f"skip {fault}" for fault in found.invalid),
        ]

    def work(self, run: RunContext) -> Outcome:
        found, clocked = targets.read(run), time.monotonic()
        sites, held = targets.without_paused(run, targets.select(run, found))
        survey = Survey(run, sites, run.setting(PATH.name))
        with closing(HttpClient(run.cloud, found.hosts, rate=RATE, remaining=run.remaining)) as http:
            survey.walk(http)
        dead = [f"{place} ({fault})" for place, fault in sorted(survey.dead.items())]
        # Of a walk in several parts the last one speaks for all.
        ok = not dead and not survey.dead_before and not found.unusable
        record = {
            "kind": self.name,
            "ok": ok,
            "status": "dead links" if dead else "alive",
            "ms": round((time.monotonic() - clocked) * 1000),
            "sites": survey.sites,
            "links": survey.links,
            "dead": dead[:NAMED],
        }
        if survey.sites:
            run.write_artifact(record)
        return Done(
            counts={"hosts": survey.sites, "links": survey.links, "dead": len(dead), "invalid": len(found.invalid)}
            | ({"paused": len(held)} if held else {}),
            ok=ok,
            note="; ".join(
                filter(
                    None,
                    (f"{len(dead)} dead: {', '.join(dead[:3])}" if dead else found.note, targets.paused_note(held)),
                )
            ),
            checkpoint=survey.rest,
        )
