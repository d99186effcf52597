"""Operators' audit log: `audit#<yyyy-mm>` / `<timestamp>#<id>`, written before an action begins."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared import clock, redaction
from shared.store import keys, table
from shared.tables import STATE, TTL

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

# A year and a month, so that the entries of this time last year can still be read.
RETENTION = timedelta(days=400)


class ReasonMissing(ValueError):
    """The operator or the reason is missing; nothing was done."""

    def __init__(self, action: str) -> None:
        super().__init__(f"{action} is recorded in the audit log with operator and reason; add --reason TEXT")


class OperatorAuditEntry:
    """One action of an operator: `with OperatorAuditEntry(...) as entry: entry.add(id)`.

    The row is written on entry and completed on exit, after an error too: with the number of ids that were added, and
    the first 16 digits of the SHA-256 of the ids, one per line in the order of `add`.
    """

    def __init__(self, cloud: Cloud, action: str, operator: str, reason: str, scope: Mapping[str, Any]) -> None:
        if not reason.strip() or not operator.strip():
            raise ReasonMissing(action)
        self.cloud = cloud
        self.count = 0
        self._digest = hashlib.sha256()
        now = cloud.clock.now()
        self.key = keys.audit_entry(clock.iso(now), secrets.token_hex(4))
        self.row: dict[str, Any] = {
            **self.key.attributes,
            "what": action,
            "who": operator,
            "reason": redaction.text(reason.strip()),
            "scope": redaction.data(dict(scope)),
            TTL: int((now + RETENTION).timestamp()),
        }

    def add(self, name: str) -> None:
        self.count += 1
        self._digest.update(f"{name}\n".encode())

    def __enter__(self) -> OperatorAuditEntry:
        # Recognised by its key, which is random: after a lost reply the row is this entry's own.
        table.put_if(
            self.cloud, STATE, self.row, "attribute_not_exists(pk)", won=lambda item: item["sk"] == self.key.sk
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, *_: object) -> None:
        values = {
            ":count": self.count,
            ":ids": self._digest.hexdigest()[:16],
            ":now": clock.iso(self.cloud.clock.now()),
            ":end": f"{kind.__name__}: {redaction.sample(str(error), 200)}" if kind else "done",
        }
        table.update(
            self.cloud,
            STATE,
            self.key,
            "SET #count = :count, ids = :ids, ended = :now, #end = :end",
            values,
            condition="attribute_exists(pk)",
            names={"#count": "count", "#end": "end"},
        )


def entries(cloud: Cloud, months: int) -> Iterator[dict[str, Any]]:
    """Yield the entries of the last months, the newest first.

    The current month counts as one. One query per month.
    """
    month = cloud.clock.now()
    for _ in range(months):
        partition = {":pk": keys.audit_month(f"{month:%Y-%m}")}
        for item in table.query(cloud, STATE, "pk = :pk", partition, ScanIndexForward=False):
            shown = {name: value for name, value in item.items() if name not in ("pk", "sk", TTL)}
            yield {"at": item["sk"].partition("#")[0], **shown}
        month = month.replace(day=1) - timedelta(days=1)
