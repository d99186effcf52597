"""Queues of the consumers: depth now, age, lag and failures."""

from __future__ import annotations

from datetime import timedelta

from htpy import Node, a, fragment, p

from functions.console._html import tables, timestamps
from functions.console._html.act_buttons import act, buttons
from functions.console._html.badges import badge
from functions.console._request import PageError
from functions.console._view import Page, View, link
from shared import clock
from shared.messages import queue_depth
from shared.messages.queue_depth import Depth, QueueMeasurement

COLUMNS = ("queue", "job", "state", "waiting", "working", "delayed", "oldest", "failed", "measured", "acts")
NONE = Depth(0, 0, 0)


def page(view: View) -> Page:
    """One query, and one request to SQS for each queue."""
    wanted = "/".join(view.rest)
    queues = queue_depth.queues(view.entries)
    if wanted and wanted not in queues:
        raise PageError(404, f"No job consumes a queue {wanted[:80]!r}.", {link("queues"): "Queues"})
    measured = queue_depth.read(view.cloud)
    shown = {wanted: queues[wanted]} if wanted else queues
    rows = [_row(view, queue, job, measured.get(queue)) for queue, job in sorted(shown.items())]
    body = fragment[
        p(".soft")["Depth is that of now; age and failures are of the last measurement, every five minutes."],
        tables.listing("Queues", COLUMNS, rows, "No job consumes a queue."),
        _one(view, queues[wanted], measured.get(wanted)) if wanted else None,
    ]
    return Page(f"Queue {wanted}" if wanted else "Queues", body, live=True)


def _row(view: View, queue: str, job: str, before: QueueMeasurement | None) -> tuple[Node, ...]:
    depth = queue_depth.depth(view.cloud, queue) or NONE
    age = before.age(clock.milliseconds(view.now)) if before else 0
    word = "failing" if before and before.errors else "waiting" if depth.waiting else "fine"
    return (
        a(href=link("queues", queue))[queue],
        a(href=link("jobs", job))[job],
        badge(word),
        str(depth.waiting),
        str(depth.working),
        str(depth.delayed),
        timestamps.length(timedelta(milliseconds=age)) if age and depth.waiting else "",
        f"{before.errors:g} %" if before and before.errors else "",
        timestamps.at(before.at, view.now) if before else "not measured yet",
        act(view, "pause", "Pause", job=job),
    )


def _one(view: View, job: str, before: QueueMeasurement | None) -> Node:
    facts: list[tuple[str, Node]] = [("Consumer", a(href=link("jobs", job))[job])]
    if before:
        facts += [
            ("Handled so far", f"{before.done:,}"),
            ("Failed so far", f"{before.failed:,}"),
            ("In its dead-letter queue", str(before.dead)),
            ("Lag", timestamps.took(before.lag)),
            ("Stuck since", timestamps.at(before.since, view.now) if before.since else "no"),
        ]
    return fragment[
        tables.facts(facts),
        buttons(
            a(".button", href=link("failures", job=job))["Its failures"],
            a(".button", href=link("dead", job=job))["Its dead letters"],
        ),
        tables.command(view.command("send", job, "FILE")),
    ]
