"""One user with a row in every table of the mail product, and files."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from shared.aws.cloud import Cloud
from shared.product.records.accounts import (
    Alias,
    AuditEntry,
    Deletion,
    Destination,
    Domain,
    Export,
    MagicLink,
    Session,
    User,
    Verification,
)
from shared.product.records.mail import Cycle, FailedEmail, Hold, MessageMetadata, Quarantined, Rollup, Snapshot
from shared.product.records.outgoing import Delivery, Notification, Webhook
from shared.tables import DELETIONS, MAIL, Table
from tests.support.stored_rows import put

DAY = timedelta(days=1)
# A name in another script, and a spreadsheet formula.
NAME = "Доброслава 山田"
FORMULA = '=HYPERLINK("http://evil.example","look")'


def everything(cloud: Cloud, user: str, now: datetime, tables: Sequence[Table] = MAIL) -> None:
    """Rows of that user in all tables except that of deletions, and two messages in the bucket."""
    raws = [f"mail/{user}/{name}.eml" for name in ("failed", "held")]
    for raw in raws:
        cloud.s3.put_object(Bucket=cloud.names.bucket, Key=raw, Body=b"Subject: hi\r\n\r\nthere")
    rows = (
        User(user=user, email=f"{user}@example.com", name=NAME, created_at=now - DAY),
        Alias(user=user, id="a@alias.example", destination="d1", created_at=now - DAY),
        Destination(user=user, id="d1", address="home@example.com", created_at=now - DAY, verified_at=now),
        Domain(user=user, id="example.com", challenge="challenge-1", created_at=now - DAY, next_check_at=now + DAY),
        MessageMetadata(user=user, id="m1", received_at=now, recorded_at=now, bytes_used=5, alias="a@alias.example"),
        Snapshot(user=user, id="m1", recorded_at=now, body="Y2lwaGVy", key="k1"),
        FailedEmail(
            user=user,
            id="f1",
            alias="a@alias.example",
            destination="d1",
            raw=raws[0],
            failed_at=now,
            next_attempt_at=now + DAY,
            last_error=FORMULA,
        ),
        Hold(user=user, id="h1", alias="a@alias.example", raw=raws[1], held_at=now),
        Quarantined(user=user, id="q1", alias="a@alias.example", raw=raws[1], quarantined_at=now, score=-1.5),
        AuditEntry(user=user, id="2026-a1", at=now, action="alias.made", actor=user, subject="a@alias.example"),
        Rollup(user=user, id=f"day#{now:%Y-%m-%d}", from_at=now.replace(hour=0), bytes_used=5, messages=1),
        Cycle(user=user, id=f"{now - DAY:%Y-%m-%d}", starts_at=now - DAY, ends_at=now + 20 * DAY, quota=10),
        MagicLink(user=user, id="hash1", created_at=now, expires_at=now + DAY),
        Verification(user=user, id="hash2", created_at=now, expires_at=now + DAY, destination="d1"),
        Session(user=user, id="session-1", created_at=now, ends_at=now + DAY, idle_until=now + DAY),
        Webhook(
            user=user,
            id="w1",
            url="https://example.com/",
            secrets=("whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0",),
            created_at=now,
        ),
        Delivery(user=user, id="e1", webhook="w1", event="message", body="{}", created_at=now, next_attempt_at=now),
        Notification(user=user, id="n1", template="welcome", created_at=now, next_attempt_at=now + DAY),
        Export(user=user, id="x0", requested_at=now, due_on=now + DAY),
    )
    assert {row.table for row in rows} == {*MAIL} - {DELETIONS}, "a table has no row here"
    put(cloud, *(row for row in rows if row.table in tables))


def leaving(user: str, now: datetime) -> Deletion:
    return Deletion(user=user, requested_at=now, due_on=now, reason=f"{user} had enough")


def files(cloud: Cloud, prefix: str = "") -> list[str]:
    found = cloud.s3.list_objects_v2(Bucket=cloud.names.bucket, Prefix=prefix).get("Contents", [])
    return [each["Key"] for each in found]
