"""Work for each job of the mail product, and checks that it was done."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from functions.accounts.unverified_destination_expiry import UnverifiedDestinationExpiry
from functions.mail.overflow_hold_expiry import OverflowHoldExpiry
from functions.mail.seed import seed
from local.services.dns_server import DnsServer
from shared import clock, tables
from shared.archetypes.pipeline import WorkState
from shared.archetypes.purge import warnings
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.product.records.accounts import (
    Alias,
    AuditEntry,
    Destination,
    Domain,
    Export,
    MagicLink,
    Session,
    User,
    Verification,
)
from shared.product.records.mail import (
    Cycle,
    FailedEmail,
    ForwardState,
    Hold,
    MessageMetadata,
    Quarantined,
    Rollup,
    Snapshot,
)
from shared.product.records.outgoing import Delivery, Notification, SendState, Webhook
from shared.product.warned_purge import WarnedPurge
from shared.store.record import Record
from shared.tables import Table
from tests.support.mail_account import everything, files, leaving
from tests.support.mailbox import Box
from tests.support.stored_rows import one, put, there
from tests.support.web_server import Reply, Web

SECRET = "whsec_" + base64.b64encode(b"a secret of twenty-four b").decode()
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
RAWS = ("failed", "over", "held", "spam")


@dataclass(frozen=True)
class Mailed:
    """A user with rows for every job, besides the seeded users."""

    cloud: Cloud
    box: Box
    names: DnsServer
    web: Web
    now: datetime

    @property
    def received(self) -> datetime:
        return (self.now - 2 * DAY).replace(hour=12, minute=0, second=0, microsecond=0)

    @property
    def began(self) -> datetime:
        return (self.received - 5 * DAY).replace(hour=0)

    def populate(self) -> None:
        seed(self.cloud, 5)
        for name in RAWS:
            self.object(f"mail/ada/{name}", b"From: shop@far.example\r\nSubject: hi\r\n\r\nthere\r\n")
        self.object("exports/ada/old.zip", b"PK")
        put(self.cloud, *self.account(), *self.tokens(), *self.mail(), *self.sums(), *self.outgoing())
        held = Hold(held_at=self.now - 31 * DAY, **self.kept("held"))
        self.aged_since_a_warning(OverflowHoldExpiry(), held, self.now - 25 * HOUR)
        unsure = Destination(user="ada", id="gone", address="no@home.example", created_at=self.now - 40 * DAY)
        self.aged_since_a_warning(UnverifiedDestinationExpiry(), unsure, self.now - 8 * DAY)
        everything(self.cloud, "carol", self.now - HOUR)
        put(self.cloud, leaving("carol", self.now - HOUR))
        self.names.put("_mail-challenge.shop.example", "TXT", '"challenge-of-ada"')
        self.web.answers |= {"/hook": Reply(204), "/organization": Reply(204)}
        for more in ({"sk": "-"}, {"sk": "receiver#r1", "url": f"{self.web.url}/organization", "secrets": [SECRET]}):
            self.row(tables.ORGANIZATIONS, {"pk": "org_1", **more})

    def account(self) -> Iterable[Record]:
        made: Any = {"user": "ada", "created_at": self.now - 99 * DAY}
        yield User(email="ada@home.example", **made)
        yield User(user="eve", email="eve@home.example", created_at=self.now - 99 * DAY)
        yield Alias(id="shop@in.example", destination="d", **made)
        yield Alias(id="trial@in.example", destination="d", expires_at=self.now - HOUR, **made)
        yield Destination(id="d", address="inbox@home.example", verified_at=self.now - 99 * DAY, **made)
        late = {**made, "created_at": self.now - 24 * DAY}
        yield Destination(id="late", address="late@home.example", **late)
        yield Domain(id="shop.example", challenge="challenge-of-ada", next_check_at=self.now - HOUR, **made)
        yield AuditEntry(user="ada", id="old", at=self.now - 366 * DAY, action="alias.made", actor="ada")
        yield Export(user="ada", id="new", requested_at=self.now - HOUR, due_on=self.now - HOUR)
        over: Any = {"state": WorkState.COMPLETED, "expires_at": self.now - HOUR, "archive": "exports/ada/old.zip"}
        yield Export(user="ada", id="old", requested_at=self.now - 9 * DAY, **over)

    def tokens(self) -> Iterable[Record]:
        for name, ends in (("past", self.now - HOUR), ("live", self.now + 9 * DAY)):
            made: Any = {"user": "ada", "id": name, "created_at": self.now - DAY}
            yield MagicLink(expires_at=ends, **made)
            yield Verification(expires_at=ends, destination="late", **made)
            yield Session(ends_at=self.now + 9 * DAY, idle_until=ends, **made)

    def mail(self) -> Iterable[Record]:
        long_ago = self.now - 91 * DAY
        yield MessageMetadata(user="ada", id="old", received_at=long_ago, recorded_at=long_ago, bytes_used=1)
        yield Snapshot(user="ada", id="old", recorded_at=long_ago, body="eA==", key="k")
        yield Snapshot(user="ada", id="orphan", recorded_at=long_ago - DAY, body="eA==", key="k")
        yield MessageMetadata(user="eve", id="m", received_at=self.received, recorded_at=self.received, bytes_used=700)
        yield FailedEmail(
            destination="d", failed_at=self.now - 2 * HOUR, next_attempt_at=self.now - HOUR, **self.kept("failed")
        )
        closed: Any = {"state": ForwardState.CLOSED, "failed_at": self.now - 8 * DAY, "destination": "d"}
        yield FailedEmail(**closed, **self.kept("over"))
        yield Hold(held_at=self.now - 29 * DAY - HOUR, **{**self.kept("held"), "id": "warn"})
        yield Quarantined(quarantined_at=self.now - 31 * DAY, **self.kept("spam"))

    def sums(self) -> Iterable[Record]:
        day = (self.now - 401 * DAY).replace(hour=0, minute=0, second=0, microsecond=0)
        yield Rollup(user="ada", id=f"day#{day:%Y-%m-%d}", from_at=day)
        lasts: Any = {"starts_at": self.began, "ends_at": self.began + 30 * DAY, "id": f"{self.began:%Y-%m-%d}"}
        yield Cycle(user="eve", quota=10_000, **lasts)
        yield Cycle(user="ada", quota=100, bytes_used=100, moved_at=self.now - HOUR, **lasts)

    def outgoing(self) -> Iterable[Record]:
        old: Any = {"user": "ada", "id": "old", "state": SendState.SENT, "created_at": self.now - 91 * DAY}
        new: Any = {"user": "ada", "id": "new", "created_at": self.now - HOUR, "next_attempt_at": self.now - HOUR}
        letter: Any = {"template": "domain_verified", "data": {"domain": "other.example"}}
        event: Any = {"webhook": "w", "event": "alias.made", "body": "{}"}
        yield Webhook(user="ada", id="w", url=f"{self.web.url}/hook", secrets=(SECRET,), created_at=self.now - DAY)
        yield Notification(**old, **letter)
        yield Notification(**new, **letter)
        yield Delivery(**old, **event)
        yield Delivery(**new, **event)

    def kept(self, name: str) -> dict[str, Any]:
        return {"user": "ada", "id": name, "alias": "shop@in.example", "raw": f"mail/ada/{name}"}

    def aged_since_a_warning(self, job: WarnedPurge, record: Record, at: datetime) -> None:
        item = record.item()
        sent: Any = {"state": SendState.SENT, "created_at": at, "sent_at": at, "template": "warned"}
        put(self.cloud, Notification(user=record.user, id=f"{job.name}-{record.id}-{item[job.occurred]}", **sent))
        self.row(record.table, {**item, "aged": warnings.partition(item["aged"]), "since": clock.iso(at)})

    def row(self, table: Table, item: dict[str, Any]) -> None:
        self.cloud.dynamodb.put_item(TableName=self.cloud.names.table(table.name), Item=attributes.row(item))

    def object(self, key: str, body: bytes) -> None:
        self.cloud.s3.put_object(Bucket=self.cloud.names.bucket, Key=key, Body=body)

    def of(self, table: Table, user: str = "ada") -> list[str]:
        """The keys of a user's rows."""
        return [row["sk"] for row in there(self.cloud, table, user)]

    def told(self, id: str) -> bool:  # noqa: A002 - the key's own name
        return any(name.startswith(id) for name in self.of(tables.NOTIFICATIONS))

    def is_(self, table: Table, id: str, user: str = "ada", **fields: Any) -> bool:  # noqa: A002
        """Whether the row has these values."""
        row = one(self.cloud, table, user, id)
        return {name: row.get(name) for name in fields} == fields

    def spoil(self) -> None:
        """A wrong sum, and an account whose deletion is due."""
        day, deletion = f"day#{self.received:%Y-%m-%d}", one(self.cloud, tables.DELETIONS, "carol")
        self.row(tables.ROLLUPS, {**one(self.cloud, tables.ROLLUPS, "eve", day), "bytes_used": 999})
        earlier = clock.iso(self.now - HOUR)
        self.row(tables.DELETIONS, {**deletion, "due_on": earlier, "due_at": earlier})

    def facts(self) -> dict[str, bool]:
        """Whether its work is done, by job."""
        return {**self._of_accounts(), **self._of_mail(), **self._of_sums(), **self._of_outgoing()}

    def _of_accounts(self) -> dict[str, bool]:
        bucket, trail = files(self.cloud), there(self.cloud, tables.AUDIT, "ada")
        left = {table.name for table in tables.MAIL if self.of(table, "carol")}
        return {
            "account-deletion": left == {"audit", "deletions"}
            and self.is_(tables.DELETIONS, "-", "carol", state="completed")
            and not any("/carol/" in key for key in bucket),
            "account-export": self.is_(tables.EXPORTS, "new", state="completed", archive="exports/ada/new.zip")
            and "exports/ada/new.zip" in bucket
            and self.told("account-export-new"),
            "alias-expiration": self.is_(tables.ALIASES, "trial@in.example", active=False)
            and [entry["subject"] for entry in trail if entry["action"] == "alias.deactivated"] == ["trial@in.example"],
            "audit-log-cleanup": "old" not in [entry["sk"] for entry in trail]
            and any(key.startswith("archive/audit/") for key in bucket),
            "destination-verification-expiry": self.of(tables.VERIFICATIONS) == ["live"],
            "dns-recheck": self.is_(tables.DOMAINS, "shop.example", state="verified")
            and self.told("dns-recheck-shop.example"),
            "export-expiry": self.of(tables.EXPORTS) == ["new"] and "exports/ada/old.zip" not in bucket,
            "magic-link-expiry": self.of(tables.MAGIC_LINKS) == ["live"],
            "session-cleanup": self.of(tables.SESSIONS) == ["live"],
            "unverified-destination-expiry": self.of(tables.DESTINATIONS) == ["d", "late"]
            and self.told("unverified-destination-expiry-late"),
        }

    def _of_mail(self) -> dict[str, bool]:
        bucket = files(self.cloud)
        taken = [address for envelope in self.box.envelopes for address in envelope.rcpt_tos]
        kept = [*self.of(tables.MESSAGES), *self.of(tables.SNAPSHOTS)]
        return {
            "failed-email-expiry": self.of(tables.FAILED_EMAILS) == ["failed"] and "mail/ada/over" not in bucket,
            "forwarding-retry": self.is_(tables.FAILED_EMAILS, "failed", state="delivered")
            and "inbox@home.example" in taken,
            "header-snapshot-cleanup": "orphan" not in kept,
            "message-metadata-cleanup": "old" not in kept,
            "overflow-hold-expiry": self.of(tables.HOLDS) == ["warn"]
            and "mail/ada/held" not in bucket
            and self.told("overflow-hold-expiry-warn"),
            "spam-quarantine-expiry": self.of(tables.QUARANTINE) == [] and "mail/ada/spam" not in bucket,
        }

    def _of_sums(self) -> dict[str, bool]:
        cycle, day = f"{self.began:%Y-%m-%d}", f"day#{self.received:%Y-%m-%d}"
        return {
            "bandwidth-rebuild": self.is_(tables.ROLLUPS, day, "eve", bytes_used=700, messages=1),
            "bandwidth-rollup": self.is_(tables.ROLLUPS, day, "eve", messages=1),
            "rollup-expiry": f"day#{self.now - 401 * DAY:%Y-%m-%d}" not in self.of(tables.ROLLUPS),
            "usage-threshold-check": self.is_(tables.CYCLES, cycle, crossed=[60, 70, 80, 100])
            and self.told(f"usage-threshold-check-{cycle}-100"),
        }

    def _of_outgoing(self) -> dict[str, bool]:
        mails = [(mail["To"], mail["Subject"]) for mail in self.box.mails]
        return {
            "notification-delivery": ("ada@home.example", "Your domain other.example is ready") in mails,
            "notification-expiry": "old" not in self.of(tables.NOTIFICATIONS),
            "webhook-delivery": "/organization" in self.web.paths(),
            "webhook-log-cleanup": self.of(tables.DELIVERIES) == ["new"],
            "webhook-retry": self.is_(tables.DELIVERIES, "new", state="sent") and "/hook" in self.web.paths(),
        }
