"""Digests: one e-mail per user, kind and day for many notifications.

The first notification that is due leads: its e-mail lists all that wait, which are sent with it. Those that are written
later wait for the next day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

from functions.mail._templates import RenderedMail, TemplateError, render
from shared import clock, tables
from shared.store import table
from shared.store.conditional_update import update_if_unchanged
from shared.store.due_index import index_of

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.job import RunContext
    from shared.product.records.outgoing import Notification

# Notifications in one digest; the others wait for the next day. The item of each is updated after the e-mail.
MOST = 200
# Notifications that the text lists.
LISTED = 50


@dataclass(frozen=True, slots=True)
class DigestKind:
    """Template of a digest, and the line for one notification."""

    template: str
    line: str


KINDS: Mapping[str, DigestKind] = {
    "hold_purged_tomorrow": DigestKind("holds_purged_tomorrow", "- to $alias on $held_on, from $sender: $subject"),
    "forward_failed": DigestKind("forwards_failed", "- to $alias on $failed, from $sender: $subject"),
}


# Rows and models of notifications.
Members: TypeAlias = "Sequence[tuple[Mapping[str, Any], Notification]]"


@dataclass(frozen=True, slots=True)
class Waiting:
    """Notifications of one user and kind: what one e-mail can list."""

    others: Members
    """The waiting notifications, without the leading one."""
    is_settled: bool
    """Whether the leading one was sent with another in the meantime."""
    sent_today: bool


def waiting(cloud: Cloud, item: Notification, now: datetime) -> Waiting:
    """The notifications that can be sent with `item`."""
    # Imported lazily, with pydantic: most ticks find nothing due.
    from shared.store.record import InvalidRecord

    rows = table.query(cloud, tables.NOTIFICATIONS, "pk = :pk", {":pk": item.user}, ConsistentRead=True)
    others: list[tuple[Mapping[str, Any], Notification]] = []
    is_settled, sent_today = True, False
    today = f"{now:%Y-%m-%d}"
    for row in rows:
        if row.get("template") != item.template:
            continue
        queued = row.get("state") == "queued"
        sent_today = sent_today or (row.get("state") == "sent" and str(row.get("sent_at", "")).startswith(today))
        if row["sk"] == item.id:
            is_settled = not queued
        elif queued and len(others) < MOST - 1:
            try:
                one = type(item).from_row(row, now)
                _line(KINDS[item.template], one)
            except (InvalidRecord, TemplateError):
                # It is quarantined or closed when it is attempted itself.
                continue
            others.append((row, one))
    return Waiting(others, is_settled, sent_today)


def until_tomorrow(now: datetime) -> float:
    """Seconds until the next day in UTC."""
    tomorrow = datetime.combine(now.date() + timedelta(days=1), time(), now.tzinfo)
    return (tomorrow - now).total_seconds()


def render_digest(item: Notification, others: Sequence[Notification]) -> RenderedMail:
    """The e-mail for several notifications. Raises TemplateError."""
    kind = KINDS[item.template]
    lines = [_line(kind, one) for one in (item, *others[: LISTED - 1])]
    if len(others) + 1 > len(lines):
        lines.append(f"- and {len(others) + 1 - len(lines):,} more")
    return render(kind.template, {"count": len(others) + 1}, lines)


def _line(kind: DigestKind, one: Notification) -> str:
    return render(one.template, one.data, line=kind.line).text.strip()


def mark_sent(run: RunContext, others: Members, at: datetime) -> None:
    """Record that the others were sent too.

    One that changed in the meantime stays as it is. After a crash or a failure within the loop, the rest is sent again
    the next day: the e-mail was sent, so its own attempt succeeded.
    """
    due = index_of(tables.NOTIFICATIONS)
    for row, one in others:
        sent = one.with_changes({"state": "sent", "sent_at": clock.iso(at), "next_attempt_at": None})
        try:
            update_if_unchanged(run.cloud, tables.NOTIFICATIONS, row, sent.item(), (due.sk,))
        except Exception as error:  # noqa: BLE001 - see above
            text = f"{type(error).__name__}: {error}"
            run.log.error("digest_not_recorded", user=one.user, entityId=one.id, error=text)
