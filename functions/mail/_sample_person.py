"""A sample user of the mail product, with all their rows.

They are lines of files for `jobs.py load`.

A seed and a number always give the same user; only dates depend on the clock. Names end in `.example`, which RFC 2606
reserves.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

from shared import clock
from shared.archetypes.rollup.periods import by_period, parse_day
from shared.tables import RAW

GIVEN = (
    "Anna",
    "Ben",
    "Chiara",
    "Dmytro",
    "Elif",
    "Fatima",
    "Günther",
    "Håkon",
    "Inés",
    "Jonas",
    "Käthe",
    "美咲",
    "Олена",
)
FAMILY = ("Berg", "Costa", "Dąbrowski", "Eriksen", "Fischer", "García", "Horvat", "İnan", "Jansen", "Kowalska", "Núñez")
SHOPS = ("books", "bank", "cinema", "forum", "news", "shoes", "tickets", "travel", "trial", "wine")
EVENTS = ("message.forwarded", "message.failed", "alias.deactivated", "domain.verified")
ACTIONS = ("alias.created", "alias.deactivated", "destination.verified", "session.started", "export.requested")
CRITICAL = ("password.changed", "export.requested", "account.deletion_requested")
GIGABYTE = 10**9
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# Messages that were recorded earlier are in the sums already, as if bandwidth-rollup had run then.
SUMMED = 90 * DAY
Line = tuple[str, dict[str, Any]]


class Person:
    def __init__(self, seed: int, number: int, now: datetime) -> None:
        self.random = Random(f"{seed}/{number}")
        self.now = now
        self.user = f"u{seed}-{number:07d}"
        self.given, self.family = self.random.choice(GIVEN), self.random.choice(FAMILY)
        self.since = self.ago(30 * DAY, 8 * 365 * DAY)
        self.gone = self.chance(0.01)
        self.destinations = [self.id("d", index) for index in range(self.random.randint(1, 3))]
        picked = self.random.sample(SHOPS, self.random.randint(2, 8))
        self.aliases = [f"{shop}.{self.user}@in.example" for shop in picked]
        self.webhook = self.id("w", 0) if self.chance(0.1) else ""
        # Bytes and messages that are in the sums already, by day.
        self.summed: dict[date, Counter[str]] = {}

    def lines(self) -> Iterator[Line]:
        yield from self.account()
        yield from self.tokens()
        yield from self.mail()
        yield from self.waiting()
        yield from self.trail()
        yield from self.outgoing()
        yield from self.requests()
        yield from self.due()
        # After all messages.
        yield from self.sums()

    def due(self) -> Iterator[Line]:
        """Further rows, for a user who has them."""
        yield from ()

    def account(self) -> Iterator[Line]:
        left = {"deleted_at": self.ago(HOUR, DAY)} if self.gone else {}
        name = f"{self.given} {self.family}"
        yield "users", self.row("-", email=f"{self.user}@mail.example", name=name, created_at=self.since, **left)
        for index, destination in enumerate(self.destinations):
            # The first one is from the sign-up.
            verified = {"verified_at": self.since} if index == 0 or self.chance(0.7) else {}
            added = self.since if verified else self.ago(timedelta(0), 40 * DAY)
            yield (
                "destinations",
                self.row(destination, address=f"{destination}@home.example", created_at=added, **verified),
            )
            if not verified:
                yield "verifications", self.token(f"v-{destination}", added, 2 * DAY, destination=destination)
        for alias in self.aliases:
            ends = {"expires_at": self.between(-2 * DAY, 300 * DAY)} if self.chance(0.2) else {}
            yield "aliases", self.row(alias, destination=self.destinations[0], created_at=self.since, **ends)
        if self.chance(0.2):
            waits = {"state": "pending", "next_check_at": self.between(-DAY, DAY)}
            state = waits if self.chance(0.5) else {"state": "verified", "checked_at": self.ago(DAY, 90 * DAY)}
            name = f"{self.user}.example"
            yield (
                "domains",
                self.row(
                    name, challenge=f"nightshift={self.digest(name)}", created_at=self.ago(DAY, 90 * DAY), **state
                ),
            )

    def tokens(self) -> Iterator[Line]:
        for index in range(self.random.randint(0, 2)):
            yield "magic-links", self.token(self.digest(f"link {index}"), self.ago(timedelta(0), DAY), HOUR / 4)
        for index in range(self.random.randint(0, 3)):
            began = self.random.uniform(0, 40) * DAY
            used = self.random.uniform(0, 1) * began
            yield (
                "sessions",
                self.row(
                    self.digest(f"session {index}"),
                    created_at=clock.iso(self.now - began),
                    idle_until=clock.iso(self.now - used + 7 * DAY),
                    ends_at=clock.iso(self.now - began + 30 * DAY),
                    agent="Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
                ),
            )

    def mail(self) -> Iterator[Line]:
        for index in range(self.random.randint(0, 60)):
            id_, at = self.id("m", index), self.random.uniform(0, 100) * DAY
            # Some are recorded late.
            late = self.random.uniform(0, 1) * min(at, 2 * DAY) if self.chance(0.02) else timedelta(0)
            recorded = clock.iso(self.now - at + late)
            size = int(self.random.lognormvariate(10, 1.5))
            fields = {
                "direction": "forwarded" if self.chance(0.9) else "rejected",
                "alias": self.random.choice(self.aliases),
            }
            yield from self.message(id_, clock.iso(self.now - at), recorded, bytes_used=size, **fields)

    def message(self, id_: str, received: str, recorded: str, bytes_used: int, **fields: str) -> Iterator[Line]:
        """A message with its headers."""
        of_message = {"received_at": received, "recorded_at": recorded, "bytes_used": bytes_used}
        yield "messages", self.row(id_, **of_message, **fields)
        body = base64.b64encode(self.random.randbytes(180)).decode()
        yield "snapshots", self.row(id_, recorded_at=recorded, body=body, key="headers-1")
        if recorded <= clock.iso(self.now - SUMMED):
            sums = self.summed.setdefault(parse_day(received[:10]), Counter())
            sums.update(bytes_used=bytes_used, messages=1)

    def waiting(self) -> Iterator[Line]:
        for index in range(self.random.choice((0, 0, 0, 1, 2, 3))):
            held = {"held_at": self.ago(timedelta(0), 31 * DAY), "bytes_used": self.random.randint(1_000, 10**7)}
            yield "holds", self.stored("h", index, **held)
        for index in range(self.random.randint(0, 8)):
            score = round(self.random.uniform(5, 30), 1)
            yield "quarantine", self.stored("q", index, quarantined_at=self.ago(timedelta(0), 34 * DAY), score=score)
        for index in range(self.random.choice((0, 0, 1, 2))):
            failed = self.random.uniform(0, 9) * DAY
            fields: dict[str, Any] = {"failed_at": clock.iso(self.now - failed), "destination": self.destinations[0]}
            if self.chance(0.5) and failed < 3 * DAY:
                fields |= {"attempts": self.random.randint(1, 4), "next_attempt_at": self.between(-HOUR, DAY)}
            else:
                fields |= {"attempts": 5, "state": "closed", "closed_at": clock.iso(self.now - failed / 2)}
            yield "failed-emails", self.stored("f", index, last_error="451 4.7.1 try again later", **fields)

    def sums(self) -> Iterator[Line]:
        begins = self.now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        ends = (begins + 32 * DAY).replace(day=1)
        quota = self.random.choice((1, 5, 20)) * GIGABYTE
        used = {"quota": quota, "bytes_used": int(quota * self.random.betavariate(1, 3))}
        moved = (
            {"moved_at": clock.iso(max(begins, self.now - self.random.uniform(0, 1) * HOUR))}
            if self.chance(0.3)
            else {}
        )
        yield (
            "cycles",
            self.row(f"{begins:%Y-%m-%d}", starts_at=clock.iso(begins), ends_at=clock.iso(ends), **used, **moved),
        )
        summed = {day: [sums["bytes_used"], sums["messages"]] for day, sums in self.summed.items()}
        for period, (first, (used_bytes, messages)) in by_period(summed).items():
            yield (
                "rollups",
                self.row(period, from_at=f"{first}T00:00:00.000Z", bytes_used=used_bytes, messages=messages),
            )
        if self.now - clock.parse(self.since) > 4 * 365 * DAY:
            day = (self.now - 4 * 365 * DAY).replace(hour=0, minute=0, second=0, microsecond=0)
            sums = {"bytes_used": self.random.randint(0, 10**8), "messages": self.random.randint(0, 100)}
            yield "rollups", self.row(f"day#{day:%Y-%m-%d}", from_at=clock.iso(day), **sums)

    def trail(self) -> Iterator[Line]:
        age = self.now - clock.parse(self.since)
        for index in range(self.random.randint(2, 12)):
            at, critical = clock.iso(self.now - self.random.random() * age), self.chance(0.2)
            action = self.random.choice(CRITICAL if critical else ACTIONS)
            id_ = f"{at}-{self.digest(f'{action} {index}')[:16]}"
            subject = self.random.choice(self.aliases)
            yield "audit", self.row(id_, at=at, action=action, actor=self.user, subject=subject, critical=critical)

    def outgoing(self) -> Iterator[Line]:
        for index in range(self.random.choice((0, 0, 1, 2))):
            data = {"alias": self.random.choice(self.aliases), "held_on": self.ago(28 * DAY, 29 * DAY)[:10]}
            state = self.state("sent", 100 * DAY)
            mail = {"template": "hold_purged_tomorrow", "persona": "postmaster", "data": data}
            yield "notifications", self.row(self.id("n", index), **mail, **state)
        if not self.webhook:
            return
        secret = f"whsec_{base64.b64encode(self.random.randbytes(24)).decode()}"
        hook = {"url": f"https://hooks.example/{self.user}", "secrets": [secret], "events": list(EVENTS[:2])}
        yield "webhooks", self.row(self.webhook, created_at=self.since, **hook)
        for index in range(self.random.randint(0, 12)):
            event = self.random.choice(EVENTS)
            body = f'{{"type":"{event}","user":"{self.user}"}}'
            state = self.state("sent" if self.chance(0.8) else "failed", 40 * DAY)
            yield "deliveries", self.row(self.id("y", index), webhook=self.webhook, event=event, body=body, **state)

    def requests(self) -> Iterator[Line]:
        if self.gone:
            request = {"requested_at": self.ago(HOUR, 2 * HOUR), "due_on": self.between(-HOUR, timedelta(0))}
            yield "deletions", self.row("-", reason="no longer needed", **request)
        elif self.chance(0.03):
            request = {"requested_at": self.ago(HOUR, DAY), "due_on": self.between(-HOUR, timedelta(0))}
            yield "exports", self.row(self.id("x", 0), **request)
        elif self.chance(0.03):
            requested_at = self.ago(6 * DAY, 12 * DAY)
            done = {"state": "completed", "progress": 100, "completed_at": requested_at}
            ends = {"expires_at": clock.iso(clock.parse(requested_at) + 7 * DAY)}
            yield "exports", self.row(self.id("x", 1), requested_at=requested_at, **done, **ends)

    def state(self, over: str, longest: timedelta) -> dict[str, Any]:
        """State of an outgoing row, mostly `sent` or `failed`.

        Some wait for the first or the next attempt.
        """
        if self.chance(0.2):
            waits = {
                "state": "queued",
                "attempts": self.random.randint(0, 3),
                "next_attempt_at": self.between(-HOUR, HOUR),
            }
            return {"created_at": self.ago(HOUR, 3 * HOUR), **waits}
        at = self.ago(3 * HOUR, longest)
        return {"created_at": at, "state": over, "attempts": 1 if over == "sent" else 5, f"{over}_at": at}

    def stored(self, kind: str, index: int, **fields: Any) -> dict[str, Any]:
        id_ = self.id(kind, index)
        return self.row(id_, alias=self.random.choice(self.aliases), raw=f"{RAW}{self.user}/{id_}", **fields)

    def token(self, id_: str, created: str, lives: timedelta, **fields: Any) -> dict[str, Any]:
        return self.row(id_, created_at=created, expires_at=clock.iso(clock.parse(created) + lives), **fields)

    def row(self, id_: str, **fields: Any) -> dict[str, Any]:
        return {"user": self.user, "id": id_, **fields}

    def id(self, kind: str, index: int) -> str:
        return f"{kind}{self.digest(f'{kind} {index}')[:20]}"

    def digest(self, what: str) -> str:
        return hashlib.sha256(f"{self.user} {what}".encode()).hexdigest()

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def ago(self, least: timedelta, most: timedelta) -> str:
        return self.between(-most, -least)

    def between(self, first: timedelta, last: timedelta) -> str:
        return clock.iso(self.now + first + self.random.random() * (last - first))
