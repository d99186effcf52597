"""A purge that warns the owners of rows by e-mail first."""

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

__all__ = ["Notice", "Row", "WarnedPurge"]

SENT = "sent"


@dataclass(frozen=True, slots=True)
class Notice:
    """The notification for the owner of a row.

    `data` are values of the template.
    """

    template: str
    persona: str
    data: Mapping[str, str | int]


class WarnedPurge(Purge, archetype=True):
    """A purge that warns by e-mail.

    `warn` is the time between warning and deletion, `notice` the content.

    The owner is the user whose partition contains the row; the key of the notification makes the warning unique. The
    row is deleted `warn` after the e-mail was sent: a notification that is queued or failed is no warning.
    """

    effects: ClassVar[timedelta | None] = days(60)
    whole: ClassVar[bool] = True
    occurred: ClassVar[str]
    """Attribute with the time at which the row began to age.

    A row that is deleted and comes again under its key is another occurrence, whose owner is warned again.
    """

    @classmethod
    def grants(cls) -> tuple[Grant, ...]:
        return (*super().grants(), *notifications.GRANTS, read_rows(NOTIFICATIONS.name))

    def notice(self, row: Row) -> Notice:
        """The notification for the owner; the row has all its attributes."""
        raise NotImplementedError

    def warning(self, row: Row) -> tuple[Row, Notice]:
        return row, self.notice(row)

    def send(self, run: RunContext, message: Any, token: str) -> None:
        row: Row
        notice: Notice
        row, notice = message
        about = f"{self.table.name}/{row.sk}"
        content = (notice.template, notice.persona, notice.data, about)
        put = notifications.notification(run.cloud, row.pk, self._id(row), *content)
        put_if_absent.put_if_absent(run.cloud, put)

    def reconcile(self, effect: Effect) -> NotDone:
        """Repeat the write: the key of the notification excludes a second one."""
        return NotDone()

    def spares(self, run: RunContext, rows: Sequence[Row]) -> Sequence[str]:
        keys = [Key(NOTIFICATIONS.name, row.pk, self._id(row)) for row in rows]
        marked = [warnings.is_marked(row) for row in rows]
        sent = batch_get(run.cloud, [key for key, is_marked in zip(keys, marked, strict=True) if is_marked])
        # A missing notification was sent and has been purged since.
        unwarned = [self._not_warned(run, sent[key]) if key in sent else "" for key in keys]
        return [reason or other for reason, other in zip(super().spares(run, rows), unwarned, strict=True)]

    def _not_warned(self, run: RunContext, notification: Mapping[str, Any]) -> str:
        """Why the owner does not count as warned; empty if they do."""
        assert self.warn is not None
        if notification.get("state") != SENT:
            return f"its owner is not warned yet: the notification {notification['sk']} is {notification.get('state')}"
        sent_at: str = notification["sent_at"]
        if clock.parse(sent_at) > run.at - self.warn + warnings.JITTER:
            return f"its owner was warned only at {sent_at}"
        return ""

    def _id(self, row: Row) -> str:
        # The index has the time of the warning once the owner was warned; the attribute keeps its value.
        return notifications.row_id(f"{self.name}-{row.sk}-{row.item.get(self.occurred, '')}")
