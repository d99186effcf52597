"""Messages that other systems send to the consumers, each one marked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.aws import attributes
from shared.product import sample_organization
from shared.tables import ORGANIZATIONS

if TYPE_CHECKING:
    from proof.simulation.simulated_world import SimulatedWorld

ORGANIZATION = "org-sim"
# Mean hours between two messages of a kind.
MEAN_WAIT = 0.4


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A message as it was sent."""

    #: Job that consumes it.
    job: str
    #: Text that its body has and no other.
    mark: str
    #: Id that SQS gave it.
    id: str
    #: Units of a usage batch; 0 for other messages.
    units: int = 0
    #: Address of the welcome mail; empty for other messages.
    address: str = ""


class Traffic:
    """Sends messages at times that the seed draws."""

    def __init__(self, world: SimulatedWorld, seed: str, until_hours: float) -> None:
        self.world = world
        self.random = Random(seed)
        self.began = world.clock.now()
        self.until = self.began + timedelta(hours=until_hours)
        self.sent: list[SentMessage] = []
        self._kinds: dict[str, Callable[[str], tuple[dict[str, Any], int, str]]] = {
            "usage": self._usage,
            "audit": self._audit,
            "welcome-email": self._user,
            "webhook-delivery": self._delivery,
        }

    def begin(self) -> None:
        """Create the organization, and plan the first message of each kind."""
        rows = list(sample_organization.rows(ORGANIZATION))
        secret = sample_organization.secret(ORGANIZATION)
        hook = {"url": f"https://hooks.example/{ORGANIZATION}", "secrets": [secret], "active": True}
        rows.append({"pk": ORGANIZATION, "sk": "receiver#r1", **hook})
        self.world.dynamodb.load(ORGANIZATIONS.name, map(attributes.row, rows))
        for job in self._kinds:
            self._plan(job)

    def of(self, job: str) -> Iterator[SentMessage]:
        """Yield the messages that were sent to a job."""
        return (each for each in self.sent if each.job == job)

    def _plan(self, job: str) -> None:
        at = self.world.clock.now() + timedelta(hours=self.random.expovariate(1 / MEAN_WAIT))
        if at < self.until:
            self.world.plan(at, lambda: self._send(job))

    def _send(self, job: str) -> None:
        number = len(self.sent) + 1
        mark = f"sim{number:06d}"
        payload, units, address = self._kinds[job](mark)
        types = {"usage": "usage-ingestion", "audit": "audit-event", "welcome-email": "user-created"}
        body = {"type": types.get(job, job), "payload": payload}
        queue = self.world.jobs[job].queue
        assert queue
        request = {"QueueUrl": self.world.names.queue_url(queue), "MessageBody": json.dumps(body)}
        message = self.world.sqs.call("SendMessage", request)
        self.sent.append(SentMessage(job, mark, message["MessageId"], units, address))
        self._plan(job)

    def _usage(self, mark: str) -> tuple[dict[str, Any], int, str]:
        units = self.random.randint(1, 9)
        at = clock.iso(self.world.clock.now() - timedelta(minutes=self.random.randint(0, 90)))
        events = [{"feature": sample_organization.FEATURE, "amount": units, "at": at}]
        return {"orgId": ORGANIZATION, "batchId": mark, "events": events}, units, ""

    def _audit(self, mark: str) -> tuple[dict[str, Any], int, str]:
        at = clock.iso(self.world.clock.now())
        event = {"id": mark, "orgId": ORGANIZATION, "at": at, "actor": "ada", "action": "flag.updated"}
        return {"event": event}, 0, ""

    def _user(self, mark: str) -> tuple[dict[str, Any], int, str]:
        address = f"{mark}@{ORGANIZATION}.example"
        row = {"pk": ORGANIZATION, "sk": f"member#{mark}", "role": "viewer", "email": address, "name": "Sim"}
        self.world.dynamodb.load(ORGANIZATIONS.name, [attributes.row(row)])
        joined = clock.iso(self.world.clock.now())
        return {"organizationId": ORGANIZATION, "userId": mark, "joinedAt": joined}, 0, address

    def _delivery(self, mark: str) -> tuple[dict[str, Any], int, str]:
        body = json.dumps({"type": "limit_exceeded", "id": mark})
        message = {"organizationId": ORGANIZATION, "receiverId": "r1", "eventId": mark, "event": "limit_exceeded"}
        return {**message, "body": body}, 0, ""
