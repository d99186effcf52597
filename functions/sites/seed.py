"""Something to do for the jobs of this group, on a system that has nothing in it yet."""

from __future__ import annotations

from functions.sites._webevals import queue
from shared.aws.cloud import Cloud
from shared.http import sites
from shared.job.setting import BASE_URLS

PAGES = ("/pricing", "/docs/", "/sign-in")


def seed(cloud: Cloud, count: int, _number: int = 1) -> dict[str, int]:
    """Queue `count` web evaluations, over the sites in BASE_URLS in turn. Returns how many of what was made."""
    found = sites.parse(BASE_URLS.read(cloud.environment)).valid
    if not found:
        return {"webevals": 0}
    for number in range(count):
        site = found[number % len(found)]
        queue(cloud, site.host, site.at(PAGES[number // len(found) % len(PAGES)]))
    return {"webevals": count}
