from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing

from functions.sites._docs_crawl import NAMED, DocsCrawl
from shared.http import sites as targets
from shared.http.client import HttpClient
from shared.job import Done, Job, Outcome, RunContext, hourly, retry_policies, settings, upsert

BASE_URLS = settings.BASE_URLS
PATH = settings.text("DOCS_PATH", "/docs/", "Page of each site that links to its documentation")
RATE = 10


class Docs(Job):
    """Check that every site has a docs index with working links."""

    key = "docs-registry"
    schedule = hourly(minute=25)
    retry = retry_policies.EXTERNAL_API
    cap = 2000
    lease_per_target = False
    idempotency = upsert("the status is overwritten, and a run's artifact contains its own id")
    settings = (BASE_URLS, PATH)

    @classmethod
    def targets(cls, environment: Mapping[str, str] | None = None) -> tuple[str, ...] | None:
        return targets.configured_hosts(environment)

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
        crawl = DocsCrawl(run, sites, run.setting(PATH.name))
        with closing(HttpClient(run.cloud, found.hosts, rate=RATE, remaining=run.remaining)) as http:
            crawl.walk(http)
        # The last part of a crawl reports the verdict of all parts.
        dead = [f"{place} ({fault})" for place, fault in sorted(crawl.all_dead.items())]
        ok = not dead and not found.unusable
        record = {
            "kind": self.name,
            "ok": ok,
            "status": "dead links" if dead else "alive",
            "ms": round((time.monotonic() - clocked) * 1000),
            "sites": crawl.sites,
            "links": crawl.links,
            "dead": dead[:NAMED],
        }
        if crawl.sites:
            run.write_artifact(record)
        return Done(
            counts={"hosts": crawl.sites, "links": crawl.links, "dead": len(crawl.dead), "invalid": len(found.invalid)}
            | ({"paused": len(held)} if held else {}),
            ok=ok,
            note="; ".join(
                filter(
                    None,
                    (f"{len(dead)} dead: {', '.join(dead[:3])}" if dead else found.note, targets.paused_note(held)),
                )
            ),
            checkpoint=crawl.rest,
        )
