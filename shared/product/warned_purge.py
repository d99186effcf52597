"""A purge whose warnings are e-mails to users, by way of the notifications' queue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

from shared import clock
from shared.archetypes.purge import Purge, warnings
from shared.aws.permissions import Grant, read_rows
from shared.job.duration import days
from shared.job.effect import Effect, NotDone
from shared.product import notifications
from shared.run.context import RunContext
from shared.store import put_if_absent
from shared.store.age_index import Row
from shared.store.batch_get import Key, batch_get
from shared.tables import NOTIFICATIONS

SENT = "sent"


@dataclass(frozen=True, slots=True)
class Notice:
    """What the owner of a row is told. data: for the template."""

    template: str
    persona: str
    data: Mapping[str, str | int]


class WarnedPurge(Purge, archetype=True):
    """A purge that warns by e-mail: `warn` says how long before, and `notice` what.

    An owner, the user in whose partition the row is, is told once of it, by the notification's key. The row goes once
    the e-mail has been sent for as long: one that waits for a relay, or could not be sent, has warned nobody.
    """

    effects: ClassVar[timedelta | None] = days(60)

    @classmethod
    def grants(cls) -> tuple[Grant, ...]:
        return (*super().grants(), *notifications.GRANTS, read_rows(NOTIFICATIONS.name))

    def notice(self, row: Row) -> Notice:
        """What its owner is told before the row is deleted; it has all its attributes."""
        raise NotImplementedError

    def warning(self, row: Row) -> tuple[Row, Notice]:
        return row, self.notice(row)

    def send(self, run: RunContext, message: Any, token: str) -> None:
        row: Row
        notice: Notice
        row, notice = message
        about = f"{self.table.name}/{row.sk}"
        told = (notice.template, notice.persona, notice.data, about)
        put_if_absent.put_if_absent(run.cloud, notifications.notification(run.cloud, row.pk, self._id(row), *told))

    def reconcile(self, effect: Effect) -> NotDone:
        """It may be written again: its key keeps a second one out."""
        return NotDone()

    def spares(self, run: RunContext, rows: Sequence[Row]) -> Sequence[str]:
        keys = [Key(NOTIFICATIONS.name, row.pk, self._id(row)) for row in rows]
        marked = [warnings.is_marked(row) for row in rows]
        letters = batch_get(run.cloud, [key for key, is_marked in zip(keys, marked, strict=True) if is_marked])
        # One that is not there was in the log until it was too old for that.
        untold = [self._untold(run, letters[key]) if key in letters else "" for key in keys]
        return [why or found for why, found in zip(super().spares(run, rows), untold, strict=True)]

    def _untold(self, run: RunContext, letter: Mapping[str, Any]) -> str:
        """Why a row's owner does not count as warned; empty where they do."""
        assert self.warn is not None
        if letter.get("state") != SENT:
            return f"its owner could not be told yet: the notification {letter['sk']} is {letter.get('state')}"
        sent: str = letter["sent_at"]
        if clock.parse(sent) > run.at - self.warn + warnings.JITTER:
            return f"its owner was told at {sent} only"
        return ""

    def _id(self, row: Row) -> str:
        return notifications.row_id(f"{self.name}-{row.sk}")
