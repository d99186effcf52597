"""Paths and query parameters of the pages, for the OpenAPI document."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PagePath:
    """One path below /ui, with the query parameters that its page reads."""

    path: str
    summary: str
    query: tuple[str, ...] = ()


FILTER = ("job", "reason", "tenant", "entity")
# By the first part of the path, as in _routes.PAGES.
PAGE_PATHS: dict[str, tuple[PagePath, ...]] = {
    "now": (PagePath("now", "What fails, is late, runs or is paused"),),
    "jobs": (
        PagePath("jobs", "All jobs, failing ones first", ("state", "group", "q")),
        PagePath("jobs/{job}", "One job", ("day",)),
    ),
    "runs": (PagePath("runs/{job}/{run}", "One run"),),
    "plans": (
        PagePath("plans", "How to make a plan of a job", ("plan", "job")),
        PagePath("plans/{plan}", "One plan with its actions"),
    ),
    "failures": (
        PagePath(
            "failures",
            "Failures of all jobs, grouped by error",
            ("since", "outcome", "job", "tenant", "entity", "fingerprint"),
        ),
    ),
    "dead": (
        PagePath("dead", "Groups of dead letters", FILTER),
        PagePath("dead/{fingerprint}", "One group of dead letters", ("job",)),
        PagePath("dead/letter/{letter}", "One dead letter", ("job",)),
    ),
    "queues": (
        PagePath("queues", "Queues of the consumers"),
        PagePath("queues/{queue}", "One queue"),
    ),
    "tenants": (
        PagePath("tenants", "Find an organization", ("org",)),
        PagePath("tenants/{organization}", "Failures, dead letters and pauses of one organization"),
    ),
    "effects": (PagePath("effects", "Effects whose outcome is unknown", ("job",)),),
    "schedule": (PagePath("schedule", "Ticks of two days", ("group",)),),
    "cost": (PagePath("cost", "Spent against budgets"),),
    "audit": (PagePath("audit", "Acts of operators", ("months", "q")),),
    "mails": (
        PagePath("mails", "Mails that jobs sent; local stage only"),
        PagePath("mails/{mail}", "One mail; local stage only"),
    ),
    "help": (PagePath("help", "The keys and states of the console"),),
}
