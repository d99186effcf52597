"""A sample user with due rows for each job of mail."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from functions.mail._sample_person import DAY, HOUR, Line, Person
from shared import clock
from shared.tables import RAW

# Age of the warning about a hold that is due, and the job that sent it.
WARNED = 25 * HOUR
HOLD_JOB = "overflow-hold-expiry"


class DuePerson(Person):
    def __init__(self, seed: int, number: int, now: datetime) -> None:
        super().__init__(seed, number, now)
        self.gone = False
        self.alias = f"due.{self.user}@in.example"

    def due(self) -> Iterator[Line]:
        yield "aliases", self.row(self.alias, destination=self.destinations[0], created_at=self.since)
        yield from self._messages()
        yield from self._stored_messages()
        yield from self._sums()
        yield from self._notifications()

    def warned_hold(self) -> Line:
        """A held message that is due, after the warning of `_warning`."""
        return "holds", self._stored("h", 1002, held_at=self._before(31 * DAY))

    def _messages(self) -> Iterator[Line]:
        for index, age in ((1001, HOUR), (1002, 91 * DAY)):
            at = self._before(age)
            yield from self.message(self.id("m", index), at, at, bytes_used=20_000, alias=self.alias)
        # Headers whose message is deleted already.
        headers = {"recorded_at": self._before(92 * DAY), "body": "eA==", "key": "headers-1"}
        yield "snapshots", self.row(self.id("m", 1003), **headers)

    def _stored_messages(self) -> Iterator[Line]:
        to: Any = {"destination": self.destinations[0], "last_error": "451 4.7.1 try again later"}
        waits = {"failed_at": self._before(2 * HOUR), "next_attempt_at": self._before(HOUR)}
        yield "failed-emails", self._stored("f", 1001, **to, **waits)
        closed = {"failed_at": self._before(8 * DAY), "closed_at": self._before(DAY), "state": "closed", "attempts": 5}
        yield "failed-emails", self._stored("f", 1002, **to, **closed)
        # Its owner is warned a day before it is 30 days old.
        yield "holds", self._stored("h", 1001, held_at=self._before(29 * DAY + HOUR))
        yield "quarantine", self._stored("q", 1001, quarantined_at=self._before(31 * DAY))

    def _sums(self) -> Iterator[Line]:
        today = self.now.replace(hour=0, minute=0, second=0, microsecond=0)
        # The first is expired. No message explains the second one: bandwidth-rebuild corrects it.
        for day in (today - timedelta(days=401), today):
            sums = {"from_at": clock.iso(day), "bytes_used": 1_000_000, "messages": 3}
            yield "rollups", self.row(f"day#{day:%Y-%m-%d}", **sums)
        ends = today.replace(day=1)
        begins = (ends - DAY).replace(day=1)
        used = {"quota": 10**9, "bytes_used": 10**9, "moved_at": clock.iso(ends - HOUR)}
        lasts = {"starts_at": clock.iso(begins), "ends_at": clock.iso(ends)}
        yield "cycles", self.row(f"{begins:%Y-%m-%d}", **lasts, **used)

    def _notifications(self) -> Iterator[Line]:
        mail = {"template": "domain_verified", "data": {"domain": f"{self.user}.example"}}
        waits = {"created_at": self._before(2 * HOUR), "next_attempt_at": self._before(HOUR)}
        yield "notifications", self.row(self.id("n", 1001), **mail, **waits)
        yield "notifications", self.row(self.id("n", 1002), **mail, **self._sent(91 * DAY))
        yield self._warning()

    def _warning(self) -> Line:
        _, hold = self.warned_hold()
        data = {"alias": hold["alias"], "held_on": hold["held_at"][:10]}
        mail = {"template": "hold_purged_tomorrow", "persona": "postmaster", "data": data}
        # Named as the job names it: by job, row and time.
        id_ = f"{HOLD_JOB}-{hold['id']}-{hold['held_at']}"
        return "notifications", self.row(id_, about=f"holds/{hold['id']}", **mail, **self._sent(WARNED))

    def _sent(self, age: timedelta) -> dict[str, Any]:
        at = self._before(age)
        return {"created_at": at, "state": "sent", "sent_at": at, "attempts": 1}

    def _stored(self, kind: str, index: int, **fields: Any) -> dict[str, Any]:
        id_ = self.id(kind, index)
        return self.row(id_, alias=self.alias, raw=f"{RAW}{self.user}/{id_}", **fields)

    def _before(self, age: timedelta) -> str:
        return clock.iso(self.now - age)
