"""A purge that warns the owners of rows by e-mail first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

from shared import clock
from shared.archetypes.purge import Purge, warnings
from shared.aws.permissions import Grant, read_rows
from shared.job import duration
from shared.job.duration import days
from shared.job.effect import Effect, NotDone
from shared.job.setting import Setting
from shared.product import notifications
from shared.run.context import RunContext
from shared.store import put_if_absent, table
from shared.store.age_index import Row
from shared.store.batch_get import Key, batch_get
from shared.store.keys import ONLY, RowKey
from shared.tables import NOTIFICATIONS, USERS

__all__ = ["Notice", "Row", "WarnedPurge"]

SENT, FAILED = "sent", "failed"
NEVER = "never"


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
    row is deleted `warn` after the e-mail was sent: a notification that is queued or failed is no warning, and one that
    has been deleted is sent again. The owner of a closed account is not warned. A row whose owner cannot be warned, as
    its address is refused, stays until an operator sets `<ENV>_UNWARNED_KEEP`.
    """

    effects: ClassVar[timedelta | None] = days(60)
    whole: ClassVar[bool] = True
    occurred: ClassVar[str]
    """Attribute with the time at which the row began to age.

    A row that is deleted and comes again under its key is another occurrence, whose owner is warned again.
    """

    @classmethod
    def grants(cls) -> tuple[Grant, ...]:
        return (*super().grants(), *notifications.GRANTS, read_rows(NOTIFICATIONS.name), read_rows(USERS.name))

    @classmethod
    def all_settings(cls) -> tuple[Setting, ...]:
        meaning = (
            "How long a row is kept, from the attempt to warn, whose owner cannot be warned; then it is deleted without"
            f" a warning. {NEVER}: until this is set"
        )
        return (*super().all_settings(), Setting(f"{cls.env}_UNWARNED_KEEP", NEVER, meaning, _keep))

    def notice(self, row: Row) -> Notice:
        """The notification for the owner; the row has all its attributes."""
        raise NotImplementedError

    def facts(self, run: RunContext, row: Row) -> Mapping[str, str | int]:
        """Further values of the template, read when the owner is warned."""
        return {}

    def warning(self, row: Row) -> tuple[Row, Notice]:
        return row, self.notice(row)

    def send(self, run: RunContext, message: Any, token: str) -> None:
        row: Row
        notice: Notice
        row, notice = message
        if table.get(run.cloud, USERS, RowKey(row.pk, ONLY)).get("deleted_at"):
            return
        self._notify(run, row, notice)

    def _notify(self, run: RunContext, row: Row, notice: Notice) -> None:
        about = f"{self.table.name}/{row.sk}"
        data = {**notice.data, **self.facts(run, row)}
        content = (notice.template, notice.persona, data, about)
        put = notifications.notification(run.cloud, row.pk, self._id(row), *content)
        put_if_absent.put_if_absent(run.cloud, put)

    def reconcile(self, effect: Effect) -> NotDone:
        """Repeat the write: the key of the notification excludes a second one."""
        return NotDone()

    def spares(self, run: RunContext, rows: Sequence[Row]) -> Sequence[str]:
        marked = [row for row in rows if warnings.is_marked(row)]
        found = batch_get(run.cloud, [self._key(row) for row in marked])
        unsent = [row for row in marked if found.get(self._key(row), {}).get("state") != SENT]
        owners = batch_get(run.cloud, [_owner(row) for row in unsent])
        reasons = {row.key: self._warned_late(run, found.get(self._key(row), {})) for row in marked}
        reasons |= {row.key: self._unwarned(run, row, found.get(self._key(row), {}), owners) for row in unsent}
        return [reason or reasons.get(row.key, "") for reason, row in zip(super().spares(run, rows), rows, strict=True)]

    def _warned_late(self, run: RunContext, notification: Mapping[str, Any]) -> str:
        """Why a sent warning is too new; empty for another one."""
        assert self.warn is not None
        if notification.get("state") == SENT:
            sent_at: str = notification["sent_at"]
            if clock.parse(sent_at) > run.at - self.warn + warnings.JITTER:
                return f"its owner was warned only at {sent_at}"
        return ""

    def _unwarned(
        self, run: RunContext, row: Row, notification: Mapping[str, Any], owners: Mapping[Key, Mapping[str, Any]]
    ) -> str:
        """Why the owner does not count as warned.

        Empty if no warning is needed.
        """
        owner, state = owners.get(_owner(row), {}), notification.get("state", "")
        # Without a user row, delivery has failed because the user is gone.
        if owner.get("deleted_at") or (not owner and state == FAILED):
            return ""
        limit: timedelta | None = run.setting(f"{self.env}_UNWARNED_KEEP")
        if limit is not None and clock.parse(row.since) + limit <= run.at:
            return ""
        if not notification:
            if not run.dry:
                self._notify(run, row, self.notice(row))
            return "its owner is not warned yet: the notification was deleted, and is sent again"
        return f"its owner is not warned yet: the notification {notification['sk']} is {state}"

    def _key(self, row: Row) -> Key:
        return Key(NOTIFICATIONS.name, row.pk, self._id(row))

    def _id(self, row: Row) -> str:
        # The index has the time of the warning once the owner was warned; the attribute keeps its value.
        return notifications.row_id(f"{self.name}-{row.sk}-{row.item.get(self.occurred, '')}")


def _owner(row: Row) -> Key:
    return Key(USERS.name, row.pk, ONLY)


def _keep(text: str) -> timedelta | None:
    return None if text.strip().lower() == NEVER else duration.parse(text)
