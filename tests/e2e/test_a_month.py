"""A month of the mail product: its jobs at their ticks on a virtual clock.

The relay and the receiver are on loopback. Jobs of every minute run at the minutes at which rows are due for them,
hourly jobs twice a day: a later tick finds the rows that were due at an earlier one.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.accounts.account_deletion import AccountDeletion
from functions.accounts.account_export import AccountExport
from functions.accounts.alias_expiration import AliasExpiration
from functions.accounts.export_expiry import ExportExpiry
from functions.accounts.magic_link_expiry import MagicLinkExpiry
from functions.accounts.session_cleanup import SessionCleanup
from functions.mail.bandwidth_rollup import BandwidthRollup
from functions.mail.failed_email_expiry import FailedEmailExpiry
from functions.mail.forwarding_retry import ForwardingRetry
from functions.mail.notification_delivery import NotificationDelivery
from functions.mail.overflow_hold_expiry import OverflowHoldExpiry
from functions.mail.spam_quarantine_expiry import SpamQuarantineExpiry
from functions.mail.usage_threshold_check import UsageThresholdCheck
from functions.webhooks.webhook_log_cleanup import WebhookLogCleanup
from functions.webhooks.webhook_retry import WebhookRetry
from shared import clock as clocks
from shared import tables
from shared.archetypes.pipeline import Pipeline
from shared.archetypes.sweep import Sweep
from shared.aws.cloud import Cloud
from shared.http import webhook
from shared.job.definition import Job
from shared.product.records.accounts import Alias, Destination, Export, User
from shared.product.records.mail import Cycle, FailedEmail, Hold, MessageMetadata
from shared.product.records.outgoing import Delivery, Webhook
from shared.run.firing import Firing
from shared.run.run import run
from shared.store import due_index
from tests.conftest import Lines, VirtualClock
from tests.support.certificate import Certificate
from tests.support.mail_account import everything, files, leaving
from tests.support.mailbox import Box, Post
from tests.support.receiver import READS
from tests.support.stored_rows import one, put, there
from tests.support.web_server import Reply, Web

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
END = BEGIN + timedelta(days=33)
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
# Jobs in their order within a minute, with the interval in minutes.
DUE: dict[type[Pipeline] | type[Sweep], int] = {
    ForwardingRetry: 1,
    WebhookRetry: 1,
    AccountDeletion: 1,
    AccountExport: 5,
    NotificationDelivery: 1,
}
TWICE = (BandwidthRollup, UsageThresholdCheck, OverflowHoldExpiry, ExportExpiry)
DAILY = (
    *(AliasExpiration, SessionCleanup, MagicLinkExpiry, SpamQuarantineExpiry, FailedEmailExpiry),
    WebhookLogCleanup,
)
SECRET = "whsec_" + base64.b64encode(b"a secret of twenty-four b").decode()


class Month:
    def __init__(self, cloud: Cloud, clock: VirtualClock, log: Lines) -> None:
        self.cloud = cloud
        self.clock = clock
        self.log = log
        self.ran = 0
        # Actions of users: a time, and the row to write.
        self.planned: list[tuple[datetime, Any]] = []
        # The earliest due time of each table since its last write: a query each minute would take half of the time.
        self.first: dict[type[Pipeline] | type[Sweep], datetime | None] = {}
        for client in (cloud.dynamodb, cloud.bulk):
            client.meta.events.register("before-call", self._touched)

    def at(self, instant: datetime, *records: Any) -> None:
        self.planned += [(instant, record) for record in records]

    def go(self) -> None:
        slow = sorted(self._ticks(), key=lambda tick: tick[0])
        self.planned.sort(key=lambda plan: plan[0])
        while True:
            soon = [(self._next(job, each), job) for job, each in DUE.items()]
            instant, job = min([*soon, *slow[:1], *((at, None) for at, _ in self.planned[:1])], key=lambda one: one[0])
            if instant >= END:
                return
            self.clock.instant = max(self.clock.instant, instant)
            if job is None:
                put(self.cloud, self.planned.pop(0)[1])
                continue
            if slow and (instant, job) == slow[0]:
                slow.pop(0)
            report = run(job(), Firing(job.name, instant), self.cloud, self.log)
            assert report.outcome == "done", report
            assert report.ok, report
            self.ran += 1

    def _ticks(self) -> Iterator[tuple[datetime, type[Job]]]:
        for day in range((END - BEGIN).days):
            midnight = BEGIN + day * DAY
            for number, job in enumerate(DAILY):
                yield midnight + 3 * HOUR + number * MINUTE, job
            for number, job in enumerate(TWICE):
                yield midnight + HOUR + 10 * number * MINUTE, job
                yield midnight + 13 * HOUR + 10 * number * MINUTE, job

    def _next(self, job: Any, each: int) -> datetime:
        """The first tick at which a row of the job is due; a tick that was run is not run again."""
        if job not in self.first:
            row = next(due_index.rows_due(self.cloud, job.table, "9"), None)
            self.first[job] = row and clocks.parse(row.since)
        first = self.first[job]
        if first is None:
            return END
        step = each * 60
        at = max(first.timestamp(), self.clock.now().timestamp() + 0.001)
        return datetime.fromtimestamp(math.ceil(at / step) * step, UTC)

    def _touched(self, model: Any, params: Any, **_: Any) -> None:
        if not model.name.startswith(READS):
            said = str(params["body"])
            for job in [job for job in self.first if f'"{self.cloud.names.table(job.table.name)}"' in said]:
                del self.first[job]


@pytest.fixture
def box(cloud: Cloud, certificate: Certificate) -> Iterator[Box]:
    box = Box()
    post = Post(box, certificate)
    way = post.serve("smtp+plain")
    cloud.environment = {
        "MAIL_RELAY": f"smtp+plain://127.0.0.1:{way.port}",
        "MAIL_FROM": "post@in.example",
        "ACCOUNT_EXPORT_LINK": "https://in.example/downloads/{ticket}",
        "WEBHOOK_LOOPBACK": "true",
    }
    yield box
    post.stop()


@pytest.fixture
def web() -> Iterator[Web]:
    with Web() as web:
        yield web


@pytest.fixture
def month(cloud: Cloud, clock: VirtualClock, log: Lines) -> Month:
    clock.instant = BEGIN
    return Month(cloud, clock, log)


def member(user: str, **rest: Any) -> User:
    return User(user=user, email=f"{user}@home.example", created_at=BEGIN - DAY, **rest)


def mails(box: Box, user: str) -> list[str]:
    return [str(mail["Subject"]) for mail in box.mails if mail["To"] == f"{user}@home.example"]


def test_a_month_of_the_product(month: Month, cloud: Cloud, log: Lines, box: Box, web: Web) -> None:
    _holder(month)
    _user_of_much(month)
    _unlucky(month, box)
    _leaver(month, web)
    _subscriber(month, web)
    month.go()
    _held_mail_went_after_its_warning(cloud, log, box)
    _thresholds_were_told_once(cloud, box)
    _forwards_were_tried_at_their_instants(cloud, log, box)
    _the_account_is_gone(cloud, web)
    _events_were_delivered_at_their_instants(cloud, log, web)
    assert {row["state"] for row in there(cloud, tables.NOTIFICATIONS)} == {"sent"}
    assert month.ran > 400


def _holder(month: Month) -> None:
    month.cloud.s3.put_object(Bucket=month.cloud.names.bucket, Key="mail/ada/h1", Body=b"Subject: held\r\n\r\n")
    held = Hold(user="ada", id="h1", alias="shop@in.example", raw="mail/ada/h1", held_at=BEGIN)
    expired = Alias(user="ada", id="shop@in.example", destination="d", created_at=BEGIN, expires_at=BEGIN + 9 * DAY)
    put(month.cloud, member("ada"), held, expired)
    month.at(BEGIN + 2 * DAY, Export(user="ada", id="x1", requested_at=BEGIN, due_on=BEGIN + 2 * DAY))


def _held_mail_went_after_its_warning(cloud: Cloud, log: Lines, box: Box) -> None:
    assert there(cloud, tables.HOLDS) == []
    assert files(cloud, "mail/") == ["mail/dave/f1"]
    warned, purged = (
        next(line["timestamp"] for line in log.said("overflow-hold-expiry_complete") if line["result"].get(word))
        for word in ("warned", "purged")
    )
    assert clocks.parse(purged) - clocks.parse(warned) >= DAY
    assert clocks.parse(purged) >= BEGIN + 30 * DAY
    assert mails(box, "ada") == [
        "Your data is ready",
        "A held message to shop@in.example will be deleted tomorrow",
    ]
    assert files(cloud, "exports/") == []
    assert there(cloud, tables.EXPORTS) == []
    assert one(cloud, tables.ALIASES, "ada", "shop@in.example")["active"] is False


def _user_of_much(month: Month) -> None:
    """Seven messages a day, each a hundredth of the quota, each event sent twice; one event arrives ten days late."""
    cycle = {"user": "bob", "id": "2026-03-01", "starts_at": BEGIN, "ends_at": BEGIN + 31 * DAY, "quota": 10_000}
    put(month.cloud, member("bob"), Cycle.model_validate(cycle))
    for day in range(20):
        for number in range(7):
            at = BEGIN + day * DAY + number * 3 * HOUR
            sent = MessageMetadata(user="bob", id=f"m{day}-{number}", received_at=at, recorded_at=at, bytes_used=100)
            month.at(at, sent, sent)
    late = BEGIN + 25 * DAY
    month.at(late, MessageMetadata(user="bob", id="late", received_at=late - 10 * DAY, recorded_at=late, bytes_used=5))


def _thresholds_were_told_once(cloud: Cloud, box: Box) -> None:
    days = [row for row in there(cloud, tables.ROLLUPS, "bob") if row["sk"].startswith("day#")]
    assert [(row["bytes_used"], row["messages"]) for row in days] == [
        (705, 8) if row["sk"] == "day#2026-03-16" else (700, 7) for row in days
    ]
    assert len(days) == 20
    weeks = [row for row in there(cloud, tables.ROLLUPS, "bob") if row["sk"].startswith("week#")]
    assert sum(row["bytes_used"] for row in weeks) == sum(row["bytes_used"] for row in days) == 14_005
    cycle = one(cloud, tables.CYCLES, "bob", "2026-03-01")
    assert (cycle["bytes_used"], cycle["crossed"]) == (14_005, [60, 70, 80, 100])
    events = [row["data"]["percent"] for row in there(cloud, tables.AUDIT, "bob")]
    assert sorted(events) == [60, 70, 80, 100]
    assert mails(box, "bob") == [f"You have used {percent} % of your quota" for percent in (60, 70, 80, 100)]


def _unlucky(month: Month, box: Box) -> None:
    """A user whose forwards all fail, and who is notified at another address."""
    box.says["full@far.example"] = "451 the mailbox is full"
    month.cloud.s3.put_object(Bucket=month.cloud.names.bucket, Key="mail/dave/f1", Body=b"Subject: x\r\n\r\ny")
    put(month.cloud, member("dave"))
    put(month.cloud, Alias(user="dave", id="d@in.example", destination="d", created_at=BEGIN))
    put(
        month.cloud,
        Destination(user="dave", id="d", address="full@far.example", created_at=BEGIN, verified_at=BEGIN),
    )
    failed = {"failed_at": _failed(), "next_attempt_at": _failed() + HOUR, "alias": "d@in.example", "destination": "d"}
    month.at(_failed(), FailedEmail.model_validate({"user": "dave", "id": "f1", "raw": "mail/dave/f1", **failed}))


def _failed() -> datetime:
    return BEGIN + 28 * DAY + timedelta(minutes=7, seconds=30)


def _forwards_were_tried_at_their_instants(cloud: Cloud, log: Lines, box: Box) -> None:
    tried = [clocks.parse(line["timestamp"]) for line in log.said("forwarding-retry_item")]
    waits = [after - before for before, after in zip([_failed(), *tried], tried, strict=False)]
    for wait, hours in zip(waits, (1, 6, 24, 48), strict=True):
        assert timedelta(0) <= wait - hours * HOUR <= MINUTE
    assert mails(box, "dave") == ["A message to d@in.example could not be forwarded"]
    # Closed four days ago: deleted after seven days.
    assert one(cloud, tables.FAILED_EMAILS, "dave", "f1")["state"] == "closed"


def _subscriber(month: Month, web: Web) -> None:
    """A user whose receiver does not answer for ten minutes on the first day, and on the whole tenth day."""
    web.answers |= {"/back": [Reply(503), Reply(503), Reply(204)], "/away": Reply(503)}
    put(month.cloud, member("erin"), *(_hook(web, "erin", name) for name in ("back", "away")))
    for name, at in _events().items():
        month.at(at, _event("erin", name, at))


def _hook(web: Web, user: str, name: str) -> Webhook:
    return Webhook(user=user, id=name, url=f"{web.url}/{name}", secrets=(SECRET,), created_at=BEGIN - DAY)


def _event(user: str, name: str, at: datetime) -> Delivery:
    """Delivery whose first attempt, by the application, failed."""
    told: Any = {"webhook": name, "event": "alias.made", "body": "{}", "attempts": 1}
    return Delivery(user=user, id=name, created_at=at, next_attempt_at=at + MINUTE, **told)


def _events() -> dict[str, datetime]:
    return {"back": BEGIN + timedelta(minutes=2, seconds=20), "away": BEGIN + 10 * DAY + timedelta(seconds=41)}


def _events_were_delivered_at_their_instants(cloud: Cloud, log: Lines, web: Web) -> None:
    for name, minutes in {"back": (1, 5, 30), "away": (1, 5, 30, 120)}.items():
        lines = [line for line in log.said("webhook-retry_item") if line["entityId"] == name]
        tried = [clocks.parse(line["timestamp"]) for line in lines]
        waits = [after - before for before, after in zip([_events()[name], *tried], tried, strict=False)]
        for wait, due_in in zip(waits, minutes, strict=True):
            assert timedelta(0) <= wait - due_in * MINUTE <= MINUTE
        asked = [request for request in web.asked if request.path == f"/{name}"]
        assert [webhook.verify([SECRET], one.headers, one.body, at) for one, at in zip(asked, tried, strict=True)] == [
            name for _ in minutes
        ]
    # Deliveries of the first day have been out of the log since the thirtieth.
    [left] = there(cloud, tables.DELIVERIES, "erin")
    assert (left["sk"], left["state"], left["attempts"]) == ("away", "failed", 5)


def _leaver(month: Month, web: Web) -> None:
    """A user who deletes the account after half an hour, while a receiver does not answer."""
    everything(month.cloud, "carol", BEGIN)
    web.answers["/w1"] = Reply(503)
    put(month.cloud, _hook(web, "carol", "w1"), _event("carol", "w1", BEGIN).model_copy(update={"id": "e1"}))
    month.at(BEGIN + HOUR / 2, leaving("carol", BEGIN + HOUR / 2))


def _the_account_is_gone(cloud: Cloud, web: Web) -> None:
    left = [(table.name, row["sk"]) for table in tables.MAIL for row in there(cloud, table, "carol")]
    assert [name for name, _ in left] == ["audit", "audit", "deletions"]
    assert one(cloud, tables.DELETIONS, "carol")["state"] == "completed"
    assert web.paths().count("/w1") == 2, "one at a minute, one at six, and none once the account was gone"
