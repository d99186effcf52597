"""Seed the sites: queued web evaluations."""

from __future__ import annotations

from functions.sites._webevals import queue
from shared.aws.cloud import Cloud
from shared.http import sites
from shared.job import settings

PAGES = ("/pricing", "/docs/", "/sign-in")


def seed(cloud: Cloud, count: int, _number: int = 1) -> dict[str, int]:
    """Queue `count` web evaluations, round robin over the sites in BASE_URLS.

    Returns the number of rows by table.
    """
    valid = sites.parse(settings.BASE_URLS.read(cloud.environment)).valid
    if not valid:
        return {"webevals": 0}
    for number in range(count):
        site = valid[number % len(valid)]
        queue(cloud, site.host, site.at(PAGES[number // len(valid) % len(PAGES)]))
    return {"webevals": count}
