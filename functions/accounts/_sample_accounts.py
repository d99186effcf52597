"""Sample accounts: users with due rows for each job of this group."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from functions.accounts._keys import archive_of
from shared import clock
from shared.product.sample_rows import SampleRow
from shared.tables import RAW

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
YEAR = 366 * DAY
# Age of the warning about a destination that is due, and the job that sent it.
WARNED = 8 * DAY
DESTINATION_JOB = "unverified-destination-expiry"
# An empty ZIP file.
ARCHIVE = b"PK\x05\x06" + bytes(18)
MESSAGE = b"From: shop@shop.example\r\nSubject: Your order\r\n\r\nThank you for your order.\r\n"


def rows(seed: int, number: int, now: datetime) -> Iterator[SampleRow]:
    """Yield the rows of two users, one of whom is leaving.

    Ids depend on the seed and the number, times on `now`. Names end in `.example`, which RFC 2606 reserves.
    """
    name = f"a{seed}-{number:07d}"
    yield from _Account(name, now).rows()
    yield from _Account(f"{name}-leaving", now).leaving()


@dataclass(frozen=True, slots=True)
class _Account:
    user: str
    now: datetime

    def rows(self) -> Iterator[SampleRow]:
        yield self._user()
        yield from self._configuration()
        yield from self._forgotten_destination()
        yield from self._tokens()
        yield from self._trail()
        yield self._row("exports", "new", requested_at=self._ago(HOUR), due_on=self._ago(HOUR))
        yield self._expired_export()

    def leaving(self) -> Iterator[SampleRow]:
        """Yield rows of a user whose account is to be deleted."""
        yield self._user()
        yield self._row("aliases", self._alias, destination="home", created_at=self._ago(YEAR))
        yield self._session("here", -DAY)
        raw = f"{RAW}{self.user}/spam"
        fields = {"alias": self._alias, "raw": raw, "quarantined_at": self._ago(DAY)}
        yield self._row("quarantine", "spam", {raw: MESSAGE}, **fields)
        yield self._expired_export()
        request = {"requested_at": self._ago(HOUR), "due_on": self._ago(HOUR), "reason": "moved away"}
        yield self._row("deletions", "-", **request)

    def _user(self) -> SampleRow:
        return self._row("users", "-", email=f"me@{self.user}.example", created_at=self._ago(8 * YEAR))

    def _configuration(self) -> Iterator[SampleRow]:
        since = self._ago(YEAR)
        yield self._destination("home", YEAR, verified_at=since)
        # Its owner is warned a week before it is 30 days old.
        yield self._destination("unverified", 24 * DAY)
        yield self._row("aliases", self._alias, destination="home", created_at=since)
        trial = f"trial@{self.user}.example"
        yield self._row("aliases", trial, destination="home", created_at=since, expires_at=self._ago(HOUR))
        challenge = f"nightshift={self._digest('challenge')}"
        checks = {"created_at": self._ago(2 * DAY), "next_check_at": self._ago(HOUR)}
        yield self._row("domains", f"{self.user}.example", challenge=challenge, **checks)

    def _forgotten_destination(self) -> Iterator[SampleRow]:
        """Yield a destination whose owner was warned more than a week ago."""
        forgotten = self._destination("forgotten", 38 * DAY)
        created_at, sent_at = forgotten.fields["created_at"], self._ago(WARNED)
        # Named as the job names it: by job, row and time.
        yield self._row(
            "notifications",
            f"{DESTINATION_JOB}-forgotten-{created_at}",
            template="destination_removed_soon",
            persona="postmaster",
            data={"address": forgotten.fields["address"], "added_on": created_at[:10]},
            about="destinations/forgotten",
            created_at=sent_at,
            state="sent",
            sent_at=sent_at,
            attempts=1,
        )
        yield SampleRow(forgotten.table, forgotten.fields, warned_at=self.now - WARNED)

    def _tokens(self) -> Iterator[SampleRow]:
        for name, age in (("expired", HOUR), ("valid", -DAY)):
            hashed, lives = self._digest(name), {"created_at": self._ago(2 * DAY), "expires_at": self._ago(age)}
            yield self._row("magic-links", hashed, **lives)
            yield self._row("verifications", hashed, **lives, destination="unverified")
            yield self._session(name, age)

    def _trail(self) -> Iterator[SampleRow]:
        ages = (("alias.created", DAY, False), ("alias.created", YEAR, False), ("password.changed", 7 * YEAR, True))
        for action, age, critical in ages:
            at = self._ago(age)
            id_ = f"{at[:10]}-{self._digest(action)[:16]}"
            yield self._row("audit", id_, at=at, action=action, actor=self.user, critical=critical)

    def _destination(self, name: str, age: timedelta, **fields: str) -> SampleRow:
        address = f"{name}@{self.user}.example"
        return self._row("destinations", name, address=address, created_at=self._ago(age), **fields)

    def _session(self, name: str, idle: timedelta) -> SampleRow:
        """A session that has been past its idle timeout for so long."""
        lives = {"created_at": self._ago(2 * DAY), "idle_until": self._ago(idle), "ends_at": self._ago(-28 * DAY)}
        return self._row("sessions", self._digest(name), **lives)

    def _expired_export(self) -> SampleRow:
        archive = archive_of(self.user, "old")
        ended = {"state": "completed", "progress": 100, "completed_at": self._ago(8 * DAY)}
        lives = {"requested_at": self._ago(8 * DAY), "expires_at": self._ago(DAY)}
        return self._row("exports", "old", {archive: ARCHIVE}, archive=archive, **ended, **lives)

    @property
    def _alias(self) -> str:
        return f"shop@{self.user}.example"

    def _row(self, table: str, id_: str, objects: dict[str, bytes] | None = None, /, **fields: Any) -> SampleRow:
        return SampleRow(table, {"user": self.user, "id": id_, **fields}, objects or {})

    def _ago(self, age: timedelta) -> str:
        return clock.iso(self.now - age)

    def _digest(self, text: str) -> str:
        return hashlib.sha256(f"{self.user} {text}".encode()).hexdigest()
