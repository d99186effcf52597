"""Work of a storm: messages and rows with a unique mark."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from proof.storm.receivers import Receivers
from proof.storm.storm_cloud import SWEEP, StormCloud
from shared import clock
from shared.product import sample_organization
from shared.product.records.accounts import User
from shared.product.records.outgoing import Notification, SendState
from shared.tables import NOTIFICATIONS, ORGANIZATIONS, STATE, USERS

ORGANIZATION = "org-storm"
FEATURE = "exports"
# Age of a mail when it is queued.
AGE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class PieceOfWork:
    """A usage batch, an audit event, a webhook and an e-mail."""

    mark: str
    #: Units of the usage batch.
    units: int

    @property
    def address(self) -> str:
        """Recipient of the e-mail."""
        return f"{self.mark}@home.example"

    @property
    def path(self) -> str:
        """Path of the webhook's receiver."""
        return f"/{self.mark}"


class Work:
    """Everything that was sent to the jobs."""

    def __init__(self, cloud: StormCloud, receivers: Receivers, seed: int) -> None:
        self.cloud = cloud
        self.receivers = receivers
        self.sent: list[PieceOfWork] = []
        self._drawn = Random(seed)

    def begin(self) -> None:
        """Create the organization that the messages name."""
        self.cloud.put(ORGANIZATIONS, {"pk": ORGANIZATION, "sk": "-", "state": "active", "limits": {}})

    def send(self, count: int = 1) -> None:
        """Send pieces of work."""
        for _ in range(count):
            piece = PieceOfWork(f"storm{len(self.sent) + 1:06d}", self._drawn.randint(1, 9))
            # Before it is sent: a message of an interrupted send counts as well.
            self.sent.append(piece)
            self._send_usage(piece)
            self._send_audit(piece)
            self._send_webhook(piece)
            self._queue_mail(piece)

    def queued(self) -> int:
        """Mails that wait, without those whose outcome an operator must look up."""
        rows = self.cloud.rows(STATE)
        uncertain = "\n".join(row["sk"] for row in rows if row["pk"].startswith("uncertain#"))
        queued = [row["pk"] for row in self.cloud.rows(NOTIFICATIONS) if row["state"] == SendState.QUEUED]
        return sum(user not in uncertain for user in queued)

    def deliveries(self, payload: str) -> int:
        """Count the recorded deliveries of a tick: its run and duplicates."""
        position = f"{clock.minute(datetime.fromisoformat(json.loads(payload)['firing']['at']))}#00"
        rows = [row for row in self.cloud.rows(STATE) if row["pk"].startswith(f"runs#{SWEEP}#")]
        return sum(1 + row.get("duplicates", 0) for row in rows if row.get("tick") == position and "outcome" in row)

    def _send_usage(self, piece: PieceOfWork) -> None:
        events = [{"feature": FEATURE, "amount": piece.units, "at": _now()}]
        payload = {"orgId": ORGANIZATION, "batchId": piece.mark, "events": events}
        self.cloud.send("usage", {"type": "usage-ingestion", "payload": payload})

    def _send_audit(self, piece: PieceOfWork) -> None:
        event = {"id": piece.mark, "orgId": ORGANIZATION, "at": _now(), "actor": "ada", "action": "flag.updated"}
        self.cloud.send("audit", {"type": "audit-event", "payload": {"event": event}})

    def _send_webhook(self, piece: PieceOfWork) -> None:
        url = f"http://{self.receivers.web.address}{piece.path}"
        hook = {"url": url, "secrets": [sample_organization.secret(ORGANIZATION)], "active": True}
        self.cloud.put(ORGANIZATIONS, {"pk": ORGANIZATION, "sk": f"receiver#{piece.mark}", **hook})
        payload = {"organizationId": ORGANIZATION, "receiverId": piece.mark, "eventId": piece.mark}
        self.cloud.send(
            "webhook-delivery", {"type": "webhook-delivery", "payload": {**payload, "event": "storm", "body": "{}"}}
        )

    def _queue_mail(self, piece: PieceOfWork) -> None:
        # Ticks of the past find what was due then.
        now = datetime.now(UTC) - AGE
        self.cloud.put(USERS, User(user=piece.mark, email=piece.address, created_at=now).item())
        content: dict[str, Any] = {"template": "domain_verified", "data": {"domain": "x.example"}}
        row = Notification(user=piece.mark, id="n", created_at=now, next_attempt_at=now, **content).item()
        self.cloud.put(NOTIFICATIONS, row)


def _now() -> str:
    return clock.iso(datetime.now(UTC))
