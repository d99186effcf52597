"""Dead letters: groups, one group with its canary, one letter."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import islice

from htpy import Element, Node, a, fragment, h2, p, pre, section

from functions.console._html import tables, timestamps
from functions.console._html.act_buttons import act, act_on_chosen, buttons, choose
from functions.console._html.badges import badge
from functions.console._request import PageError
from functions.console._view import Page, View, link
from shared import clock, redaction
from shared.admin import canary_waves
from shared.dead_letters import store
from shared.dead_letters.letter import RESOLVED, RETRYING, DeadLetter, DeadLetterRefused, UnknownDeadLetter
from shared.dead_letters.store import DeadLetterFilter, DeadLetterGroup
from shared.text.human import counted
from shared.text.untrusted_json import InvalidJson, parse_json

GROUPS = ("group", "job", "open", "retrying", "resolved", "first", "last", "tenants", "newest error", "acts")
LETTERS = ("letter", "state", "failed", "attempts", "tenant", "target", "error", "acts")
LISTED = 100
# Dead letters of one job that its page reads.
MOST = 5000
# Queries of a page of all jobs: one reads over a thousand, in half of the time that a page may take.
QUERIES = 1
PAYLOAD = 20_000


def page(view: View) -> Page:
    """One query for all jobs.

    One for each thousand dead letters of one job.
    """
    match view.rest:
        case () | ("",):
            return _groups(view)
        case ("letter", identity):
            return _letter(view, identity)
        case (fingerprint,):
            return _group(view, fingerprint)
        case _:
            raise PageError(404, "There is no such page.", {link("dead"): "Dead letters"})


def filter_of(view: View) -> DeadLetterFilter:
    """The filter of the query."""
    return DeadLetterFilter(
        job=view.parameter("job"),
        reason=view.parameter("reason"),
        tenant=view.parameter("tenant"),
        entity=view.parameter("entity"),
    )


def _groups(view: View) -> Page:
    matching = filter_of(view)
    letters, unread = _matching(view, matching)
    groups = store.group_by_fingerprint(letters)
    open_count = sum(letter.state != RESOLVED for letter in letters)
    given = ", ".join(f"{name} {value}" for name, value in matching.data().items())
    more = f"; only the newest {len(letters)} were read" if unread else ""
    body = fragment[
        p(".lead")[f"{counted(open_count, 'open dead letter')} in {counted(len(groups), 'group')}{more}."],
        p(".soft")[f"The {LISTED} largest groups are listed."] if len(groups) > LISTED else None,
        p["Filter: ", given, ". ", a(href=link("dead"))["Show all"]] if given else None,
        buttons(act(view, "purge", "Purge these", **matching.data())) if given and letters else None,
        tables.listing(
            "Groups by error", GROUPS, (_group_row(view, each) for each in groups[:LISTED]), "No dead letter is stored."
        ),
    ]
    return Page("Dead letters", body, live=True)


def _matching(view: View, matching: DeadLetterFilter) -> tuple[list[DeadLetter], bool]:
    """The dead letters of the filter, and whether there may be more.

    Those of a job or an organization have their own key.
    """
    if matching.job or matching.tenant:
        letters = list(islice(store.dead_letters(view.cloud, matching), MOST))
        return letters, len(letters) == MOST
    return store.newest(view.cloud, matching, QUERIES)


def _job_of(view: View, matching: Callable[[DeadLetter], bool]) -> str:
    """Find the job of a dead letter.

    By the link, or among the newest dead letters; empty for an older one.
    """
    if given := view.parameter("job"):
        return given
    letters, _ = store.newest(view.cloud, store.ALL_DEAD_LETTERS, QUERIES)
    return next((letter.job for letter in letters if matching(letter)), "")


def _group_row(view: View, group: DeadLetterGroup) -> tuple[Node, ...]:
    resolved, retrying = group.states[RESOLVED], group.states[RETRYING]
    opened = group.count - resolved - retrying
    tenants = sorted(group.tenants)
    return (
        a(href=link("dead", group.fingerprint, job=group.job))[group.fingerprint],
        a(href=link("jobs", group.job))[group.job] if group.job in view.entries else f"{group.job} (removed)",
        str(opened),
        str(retrying or ""),
        str(resolved or ""),
        timestamps.at(group.first, view.now),
        timestamps.at(group.last, view.now),
        [fragment[a(href=link("tenants", each))[each], " "] for each in tenants[:4]],
        group.error,
        act(view, "retry-group", "Retry", group=group.fingerprint) if opened else None,
    )


def _group(view: View, fingerprint: str) -> Page:
    job = _job_of(view, lambda letter: letter.fingerprint == fingerprint)
    letters = list(islice(store.dead_letters(view.cloud, DeadLetterFilter(job=job, fingerprint=fingerprint)), MOST))
    letters = [letter for letter in letters if letter.fingerprint == fingerprint]
    if not letters:
        raise PageError(
            404,
            f"There is no dead letter with the fingerprint {fingerprint[:60]!r}; it may have been purged.",
            {link("dead"): "Dead letters"},
        )
    waves = canary_waves.of(letters, clock.iso(view.now))
    newest = max(letters, key=lambda letter: letter.failed_at)
    body = fragment[
        p(".lead")[newest.error],
        p[badge("stopped"), f" {waves.stopped}"] if waves.stopped else None,
        p[
            f"{waves.resolved} of {len(letters)} resolved, {waves.retrying} retrying, {waves.repeated} failed again, "
            f"{waves.waiting} open. A group is retried as a canary: one, then ten, then the rest."
        ],
        buttons(
            act(view, "retry-group", f"Retry the next {waves.next_size}", group=fingerprint)
            if waves.next_size
            else None,
            act(view, "purge", "Purge this group", fingerprint=fingerprint),
        ),
        act_on_chosen(view, ("retry-letters", "Retry")) if waves.waiting else None,
        tables.listing("Dead letters", LETTERS, _letter_rows(view, letters), "None."),
        _shell(view, "dead", "retry", "--group", fingerprint, "--reason", "WHY"),
    ]
    return Page(f"Dead letters of {newest.job}", body, live=True)


def _letter_rows(view: View, letters: Sequence[DeadLetter]) -> list[tuple[Node, ...]]:
    newest = sorted(letters, key=lambda letter: letter.failed_at, reverse=True)
    return [
        (
            [
                choose(view, letter.id) if letter.state not in (RESOLVED, RETRYING) else None,
                a(href=link("dead", "letter", letter.id, job=letter.job))[letter.id[:16]],
            ],
            badge(letter.state),
            timestamps.at(letter.failed_at, view.now),
            str(letter.attempts),
            a(href=link("tenants", letter.tenant))[letter.tenant] if letter.tenant else "",
            "" if letter.target == "-" else letter.target,
            letter.error,
            act(view, "retry", "Retry", id=letter.id) if letter.state not in (RESOLVED, RETRYING) else None,
        )
        for letter in newest[:LISTED]
    ]


def _letter(view: View, identity: str) -> Page:
    try:
        letter = store.find(view.cloud, identity, _job_of(view, lambda letter: letter.id == identity))
    except UnknownDeadLetter as error:
        raise PageError(404, str(error)[:300], {link("dead"): "Dead letters"}) from None
    shown = {name: str(value) for name, value in redaction.data(letter.as_dict()).items()}
    body = fragment[
        p(".lead")[badge(letter.state), f" {letter.error}"],
        buttons(
            act(view, "retry", "Retry", id=letter.id) if letter.state not in (RESOLVED, RETRYING) else None,
            a(".button", href=link("dead", letter.fingerprint, job=letter.job))["Its group"],
            a(".button", href=link("jobs", letter.job))["Its job"],
            a(".button", href=link("tenants", letter.tenant))["Its tenant"] if letter.tenant else None,
        ),
        tables.facts(sorted(shown.items())),
        section[h2["Payload, redacted"], _payload(view, letter)],
        _shell(view, "dead", "retry", letter.id),
    ]
    return Page(f"Dead letter {letter.id[:16]}", body, live=True)


def _payload(view: View, letter: DeadLetter) -> Node:
    try:
        content = store.read_payload(view.cloud, letter)
    except DeadLetterRefused as error:
        return p(".error")[str(error)]
    try:
        text = json.dumps(
            redaction.data(parse_json(content, max_bytes=store.MAX_PAYLOAD)), indent=2, ensure_ascii=False
        )
    except InvalidJson:
        text = redaction.text(content)
    return pre(tabindex="0")[text[:PAYLOAD] + ("\n…" if len(text) > PAYLOAD else "")]


def _shell(view: View, *words: str) -> Element:
    return section[h2["In a shell"], tables.command(view.command(*words))]
