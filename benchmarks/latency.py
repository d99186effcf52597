"""Latency from sending a message to its handling, on the local cloud.

    python -m benchmarks.latency [--messages 300]

Deploys the templates to another local cloud and sends audit events to `flagship:audit`: `alone`, each after the one
before is handled, and `steady`, 20 per second. An event counts as handled when it can be read from the trail, polled
every 5 ms, so each figure is slightly too high. Cold starts are left out. Exit code 1 if a 99th percentile is 250 ms or
more.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from functions.flags import _audit_rows
from functions.flags._messages import AUDIT, Audited, AuditEvent
from local.cloud import LocalCloud
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.aws.names import LOCAL, Names
from shared.messages import envelope
from shared.messages.tenant import Tenant
from shared.tables import ORGANIZATIONS, TRAIL

MOST_MS = 250.0
A_SECOND = 20
LOOK = 0.005
COLD = 20
PATIENCE = 30
ME = Tenant("org_1")


class Trail:
    """Sent events, and the time until each could be read."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.sent = 0
        self.open: deque[tuple[float, dict[str, Any]]] = deque()
        self.took: list[float] = []

    def send(self) -> None:
        self.sent += 1
        event = AuditEvent(
            id=f"evt_{self.sent}", organization_id=ME.id, at=datetime.now(UTC), actor="user_1", action="measured"
        )
        row = _audit_rows.row(ME, event)
        began = time.perf_counter()
        envelope.send(self.cloud, AUDIT, Audited(organization_id=ME.id, event=event))
        self.open.append((began, attributes.row({"pk": row["pk"], "sk": row["sk"]})))

    def look(self) -> None:
        """Poll for the oldest event, then for the following ones."""
        table = self.cloud.names.table(TRAIL.name)
        while self.open:
            began, key = self.open[0]
            if "Item" not in self.cloud.dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True):
                if time.perf_counter() - began > PATIENCE:
                    raise SystemExit(f"a message was not handled within {PATIENCE} s")
                time.sleep(LOOK)
                return
            self.open.popleft()
            self.took.append((time.perf_counter() - began) * 1000)


def alone(trail: Trail, messages: int) -> None:
    chance = random.Random(4711)
    for _ in range(messages):
        time.sleep(chance.random() / 10)
        trail.send()
        while trail.open:
            trail.look()


def steady(trail: Trail, messages: int) -> None:
    began = time.perf_counter()
    for number in range(messages):
        while time.perf_counter() < began + number / A_SECOND:
            trail.look()
            time.sleep(0 if trail.open else LOOK)
        trail.send()
    while trail.open:
        trail.look()


WAYS: dict[str, Callable[[Trail, int], None]] = {"alone": alone, "steady": steady}


def measured(local: LocalCloud, messages: int) -> dict[str, list[float]]:
    cloud = Cloud(Names(LOCAL, local.engine.account, local.engine.region), environment={})
    for service in ("dynamodb", "sqs"):
        cloud.__dict__[service] = local.client(service)
    cloud.dynamodb.put_item(
        TableName=cloud.names.table(ORGANIZATIONS.name),
        Item=attributes.row({"pk": ME.id, "sk": "-", "state": "active"}),
    )
    trail = Trail(cloud)
    found: dict[str, list[float]] = {}
    for name, way in WAYS.items():
        way(trail, COLD)
        trail.took.clear()
        way(trail, messages)
        found[name] = [*trail.took]
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.latency", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--messages", type=int, default=300, help="of each kind (default: 300)")
    given = parser.parse_args(arguments)
    with (
        tempfile.TemporaryDirectory(prefix="nightshift-latency-") as folder,
        LocalCloud(Path(folder), firing=False, settings={}) as local,
    ):
        found = measured(local, given.messages)
    missed = False
    for name, took in found.items():
        late = quantiles(took, n=100)[98]
        missed |= late >= MOST_MS
        print(f"{name:<7} p50 {median(took):6.1f} ms   p99 {late:6.1f} ms   longest {max(took):6.1f} ms")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
