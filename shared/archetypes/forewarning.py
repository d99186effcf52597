"""A purge whose warnings are e-mails to users, by way of the notifications' queue."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

from shared import notify
from shared.aged import Row
from shared.archetypes.purge import Purge
from shared.effect import Effect, NotDone
from shared.permissions import Grant
from shared.span import days
from shared.tick import Tick

# An id of a row has at most 256 characters; a thing's own id may have as many.
LONGEST_THING = 200


@dataclass(frozen=True, slots=True)
class Notice:
    """What the owner of a row is told. user: whose it is. about: the row's id. data: for the template."""

    user: str
    about: str
    template: str
    persona: str
    data: Mapping[str, str | int]


class Forewarning(Purge, archetype=True):
    """A purge that warns by e-mail: `warn` says how long before, and `notice` what.

    An owner is told once of a row, by the notification's key.
    """

    effects: ClassVar[timedelta | None] = days(60)

    @classmethod
    def grants(cls) -> tuple[Grant, ...]:
        return (*super().grants(), *notify.GRANTS)

    def notice(self, row: Row) -> Notice:
        """What its owner is told before the row is deleted; it has all its attributes."""
        raise NotImplementedError

    def warning(self, row: Row) -> Notice:
        return self.notice(row)

    def send(self, tick: Tick, message: Any, token: str) -> None:
        notice: Notice = message
        thing = notice.about
        if len(thing) > LONGEST_THING:
            thing = hashlib.sha256(thing.encode()).hexdigest()
        id_ = f"{self.name}-{thing}"
        notify.notify(
            tick.cloud,
            notice.user,
            id_,
            notice.template,
            notice.persona,
            notice.data,
            f"{self.table.name}/{notice.about}",
        )

    def reconcile(self, effect: Effect) -> NotDone:
        """It may be written again: its key keeps a second one out."""
        return NotDone()
