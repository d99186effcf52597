"""Run: its attempts, effects, log lines, artifact and cost."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from htpy import Element, Node, a, details, fragment, h2, p, pre, section, summary

from functions.console._html import charts, tables, timestamps
from functions.console._html.act_buttons import act, buttons
from functions.console._html.badges import badge, kind_of
from functions.console._request import PageError
from functions.console._view import Page, View, link
from shared import clock, redaction
from shared.admin import run_chain
from shared.admin.run_chain import RunChain
from shared.job import job_details
from shared.job.outcome import verdict_word

RUN_ID = re.compile(r"[0-9]{8}T[0-9]{6}\.[0-9]{3}Z-[0-9A-Za-z.-]{1,80}")
MOST_LINES = 200
SAMPLE = 512


def page(view: View) -> Page:
    """Four calls, the log and the artifact."""
    if len(view.rest) < 2:
        raise PageError(404, "Name a job and a run.", {link("jobs"): "Jobs"})
    name, entry = view.job("/".join(view.rest[:-1]))
    run = view.rest[-1]
    chain = run_chain.read(view.cloud, name, entry, run) if RUN_ID.fullmatch(run) else None
    if chain is None:
        raise PageError(
            404,
            f"There is no row of the run {run[:80]!r}: it has not ended, or its row has expired.",
            {link("jobs", name): f"Runs of {name}", link("failures"): "Failures"},
        )
    word = _word(chain.row)
    body = fragment[
        p(".lead")[badge(word), f" {chain.row.get('note') or _counts(chain.row) or 'nothing to do'}"],
        tables.facts(_facts(view, chain)),
        section[h2["Attempts"], _attempts(view, chain)],
        section[h2["Effects with an unknown outcome"], _effects(view, chain)] if entry["effects"] else None,
        section[h2["Artifact"], _artifact(view, chain)] if chain.row.get("artifact") else None,
        section[h2["Log"], _log(view, chain)],
    ]
    return Page(f"Run of {name}", body)


def _word(row: dict[str, Any]) -> str:
    return verdict_word(str(row.get("outcome", "")), row.get("ok", True))


def _counts(row: dict[str, Any]) -> str:
    return ", ".join(f"{count} {name}" for name, count in row.get("counts", {}).items())


def _facts(view: View, chain: RunChain) -> Iterator[tuple[str, Node]]:
    row = chain.row
    target, tick = str(row.get("target", "-")), str(row.get("tick", ""))
    yield "Run", chain.run
    yield "Job", a(href=link("jobs", chain.job))[chain.job]
    yield "Started by", chain.trigger
    yield "Tick", tick.removesuffix("#00") if "#" in tick else ""
    yield "Target", "" if target == "-" else target
    yield "Tenant", a(href=link("tenants", row["tenant"]))[row["tenant"]] if row.get("tenant") else ""
    yield "Entity", str(row.get("entityId", ""))
    yield "Started", timestamps.at(str(row.get("started", "")), view.now)
    yield "Took", timestamps.took(row.get("ms"))
    yield "Attempt", f"{row['attempt']} of {len(chain.entry['delays']) + 1}" if row.get("attempt") else ""
    yield "Counts", _counts(row)
    yield "Code", str(row.get("version", ""))
    yield "Correlation", str(row.get("correlationId", ""))
    yield "Compute", _compute(chain)
    for name, value in (row.get("usage") or {}).items():
        yield f"Usage: {name}", str(value)
    letter = chain.dead_letter
    if letter:
        yield "Dead letter", a(href=link("dead", "letter", letter["id"], job=chain.job))[str(letter["id"])[:16]]


def _compute(chain: RunChain) -> str:
    """GB-seconds of the run, without the start of a process."""
    known, ms = job_details.load().get(chain.job), chain.row.get("ms")
    if known is None or ms is None:
        return ""
    seconds = int(ms) / 1000 * known["memory"] / 1024
    return f"{seconds:.3f} GB-seconds: {timestamps.took(int(ms))} with {known['memory']} MB"


def _attempts(view: View, chain: RunChain) -> Node:
    rows = [
        (
            str(row.get("attempt", "")),
            badge(_word(row)),
            timestamps.at(str(row.get("started", "")), view.now),
            timestamps.took(row.get("ms")),
            row["run"] if row["run"] == chain.run else a(href=link("runs", chain.job, row["run"]))[row["run"]],
            str(row.get("note", "")),
        )
        for row in chain.attempts
    ]
    return fragment[
        charts.timeline(list(_spans(chain.attempts)), "Attempts over time") if len(rows) > 1 else None,
        tables.listing("Attempts of this tick", ("try", "outcome", "started", "took", "run", "what"), rows, "None."),
        _letter_act(view, chain),
    ]


def _spans(attempts: Sequence[dict[str, Any]]) -> Iterator[tuple[str, float, float, str]]:
    starts = [clock.parse(row["started"]).timestamp() for row in attempts]
    ends = [start + row.get("ms", 0) / 1000 for start, row in zip(starts, attempts, strict=True)]
    first, whole = min(starts), (max(ends) - min(starts)) or 1
    for row, start, end in zip(attempts, starts, ends, strict=True):
        word = _word(row)
        yield kind_of(word), (start - first) / whole, (end - first) / whole, f"try {row.get('attempt', 1)}: {word}"


def _letter_act(view: View, chain: RunChain) -> Node:
    if not chain.dead_letter:
        return None
    return buttons(act(view, "retry", "Retry its dead letter", id=str(chain.dead_letter["id"])))


def _effects(view: View, chain: RunChain) -> Node:
    rows = (
        (
            each["key"],
            timestamps.at(each.get("begun", ""), view.now),
            each.get("error") or each.get("note") or "its run was lost",
            a(href=link("effects", job=chain.job))["Settle"],
        )
        for each in chain.uncertain
    )
    return tables.listing("Effects", ("key", "begun", "what", "act"), rows, "None of this run.")


def _artifact(view: View, chain: RunChain) -> Node:
    key = str(chain.row["artifact"])
    command = p(".soft")[key]
    try:
        answer = view.cloud.s3.get_object(Bucket=view.cloud.names.bucket, Key=key, Range=f"bytes=0-{SAMPLE * 4}")
        text = answer["Body"].read().decode(errors="replace")
    except view.cloud.s3.exceptions.ClientError:
        return fragment[command, p(".empty")["The object has expired, or it cannot be read."]]
    return fragment[command, pre(tabindex="0")[redaction.text(text)[:SAMPLE]]]


def _log(view: View, chain: RunChain) -> Node:
    command = tables.command(view.command("logs", chain.job, "--since", "1d", "--run", chain.run))
    try:
        lines = run_chain.log_lines(view.cloud, chain, MOST_LINES)
    except view.cloud.logs.exceptions.ClientError as error:
        return fragment[p(".empty")[f"The log cannot be read: {error.response['Error']['Code']}."], command]
    if not lines:
        return fragment[p(".empty")["No line of this run is on record."], command]
    errors = [line for line in lines if '"ERROR"' in line]
    return fragment[
        fragment[p["Errors first:"], _lines(errors)] if errors else None,
        details(open=not errors)[summary[f"The last {len(lines)} lines"], _lines(lines)],
        command,
    ]


def _lines(lines: Sequence[str]) -> Element:
    return pre(tabindex="0")["\n".join(lines)]
