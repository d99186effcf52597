"""Pages by the first part of their path."""

from __future__ import annotations

from collections.abc import Callable

from functions.console._pages import (
    audit,
    cost,
    dead,
    effects,
    failures,
    help_page,
    job,
    jobs,
    mails,
    now,
    plans,
    queues,
    run,
    schedule,
    tenants,
)
from functions.console._request import PageError
from functions.console._view import Page, View, link
from shared.aws.names import LOCAL

PAGES: dict[str, Callable[[View], Page]] = {
    "now": now.page,
    "jobs": lambda view: job.page(view) if any(view.rest) else jobs.page(view),
    "runs": run.page,
    "plans": plans.page,
    "failures": failures.page,
    "dead": dead.page,
    "queues": queues.page,
    "tenants": tenants.page,
    "effects": effects.page,
    "schedule": schedule.page,
    "cost": cost.page,
    "audit": audit.page,
    "mails": mails.page,
    "help": help_page.page,
}


def page(view: View, place: str) -> Page:
    """Make the page of a path. Raises PageError."""
    make = PAGES.get(place)
    if make is None or (place == "mails" and view.stage != LOCAL):
        raise PageError(404, f"There is no page {place[:100]!r}.", {link("now"): "Now", link("jobs"): "Jobs"})
    return make(view)
