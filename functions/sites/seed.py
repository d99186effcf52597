"""Seed the sites: queued web evaluations."""

from __future__ import annotations

from functions.sites._webevals import queue
from shared.aws.cloud import Cloud
from shared.http import sites
from shared.job import settings

PAGES = ("/pricing", "/docs/", "/sign-in")


def seed(cloud: Cloud, count: int, number: int = 1) -> dict[str, int]:
    """Queue the web evaluations 0 to count - 1 of a seed.

    Round robin over the sites in BASE_URLS. Those that exist stay. Returns the number of rows by table.
    """
    valid = sites.parse(settings.BASE_URLS.read(cloud.environment)).valid
    if not valid:
        return {"webevals": 0}
    for each in range(count):
        site = valid[each % len(valid)]
        queue(cloud, site.host, site.at(PAGES[each // len(valid) % len(PAGES)]), f"seed-{number}-{each}")
    return {"webevals": count}
