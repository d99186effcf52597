"""Health of webhook endpoints: record failures, disable a failing endpoint.

An endpoint is disabled at once by 410 Gone, and after DISABLE_AFTER without a success between two failures.

Attributes of its row: `failing_since` is the first failure since the last success; `succeeded_at` is a success, and the
next one is recorded an hour later at the earliest; `disabled_at` and `disabled_why` are set when `active` becomes
false, and `failing_since` is removed: once its owner has set `active` again, earlier failures do not count. A timestamp
in the future, which a run under a wrong clock left, does not count either, and is overwritten.

Two failures are enough: an endpoint that gets an event a week would else never be disabled. So a run whose clock is
DISABLE_AFTER ahead may disable an endpoint that fails; its owner is notified.

Calls of one endpoint may overlap, and a process may be frozen between a call and its write. So each write states what
must still hold of the row: a failure is recorded only if no success is known that is later, or less than an hour
earlier. A success that is not recorded is less than an hour later than the recorded one. Hence no success lies between
`failing_since` and a failure by which an endpoint is disabled.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared import clock, redaction
from shared.job import days, hours, settings
from shared.store import table
from shared.store.conditional_update import update_if_unchanged
from shared.store.keys import RowKey

if TYPE_CHECKING:
    from shared.run.context import RunContext
    from shared.tables import Table

DISABLE_AFTER = settings.span(
    "WEBHOOK_DISABLE_AFTER", days(5), "How long an endpoint may fail without a success before it is disabled"
)
# Time after a recorded success in which no other one is recorded, and failures do not count.
RECORDED_EVERY = hours(1)
GONE = "it answered 410 Gone"
LONGEST_REASON = 200
# What must be as it was read when an endpoint is disabled, besides `active` and `disabled_at`, which change.
GUARDS = ("url", "failing_since", "succeeded_at")
# Rows that notify the owner of a disabled endpoint, created in the same transaction. Arguments: the row, the reason.
Notices = Callable[[Mapping[str, Any], str], Sequence[Any]]
Row = Mapping[str, Any]


class EndpointHealth:
    """Health of the endpoints of one run, safe to share between threads.

    notices: built once per disabled endpoint.
    """

    def __init__(self, run: RunContext, of: Table, notices: Notices) -> None:
        self.run = run
        self.table = of
        self.notices = notices
        self._lock = threading.Lock()
        # Health of rows since this run has written it, so that each change is written once per run.
        self._written: dict[tuple[str, str], dict[str, str]] = {}
        self._disabled: set[tuple[str, str]] = set()

    def active(self, row: Row) -> bool:
        return bool(row.get("active", True)) and _key(row) not in self._disabled

    def succeeded(self, row: Row, at: datetime) -> None:
        """Record a successful call, and that the endpoint no longer fails."""
        health = self._health(row, at)
        recorded = health.get("succeeded_at")
        if "failing_since" not in health and recorded and at < clock.parse(recorded) + RECORDED_EVERY:
            return
        self._written[_key(row)] = {"succeeded_at": clock.iso(at)}
        # Of a run that overlaps with this one, a later result stays.
        self._update(
            row,
            "SET succeeded_at = :at REMOVE failing_since",
            {":at": clock.iso(at), ":ahead": self._ahead(at)},
            "(attribute_not_exists(succeeded_at) OR succeeded_at < :at OR succeeded_at > :ahead) "
            "AND (attribute_not_exists(failing_since) OR failing_since < :at OR failing_since > :ahead)",
        )

    def failed(self, row: Row, at: datetime, why: str) -> None:
        """Record a failed attempt.

        Disables the endpoint if it has failed for too long. at: when the attempt began.
        """
        health, void = self._health(row, at), str(row.get("disabled_at", ""))
        since = health.get("failing_since", "")
        if since > void:
            if at - clock.parse(since) >= self.run.setting(DISABLE_AFTER.name):
                self.disable(row, at, f"every call since {since[:10]} has failed, the last one because {why}")
            return
        succeeded = health.get("succeeded_at")
        if succeeded and at < clock.parse(succeeded) + RECORDED_EVERY:
            return
        self._written[_key(row)] = {**health, "failing_since": clock.iso(at)}
        self._update(
            row,
            "SET failing_since = :at",
            {
                ":at": clock.iso(at),
                ":void": void,
                ":earlier": clock.iso(at - RECORDED_EVERY),
                ":ahead": self._ahead(at),
            },
            "(attribute_not_exists(failing_since) OR failing_since <= :void OR failing_since > :ahead) "
            "AND (attribute_not_exists(succeeded_at) OR succeeded_at <= :earlier OR succeeded_at > :ahead)",
        )

    def disable(self, row: Row, at: datetime, why: str) -> None:
        """Set the endpoint inactive and notify its owner, both in one transaction."""
        with self._lock:
            if _key(row) in self._disabled:
                return
            self._disabled.add(_key(row))
        reason = redaction.excerpt(why, LONGEST_REASON)
        # Its owner may remove `disabled_at`: earlier failures must not count then either.
        kept = {name: value for name, value in row.items() if name != "failing_since"}
        after = {**kept, "active": False, "disabled_at": clock.iso(at), "disabled_why": reason}
        if update_if_unchanged(self.run.cloud, self.table, row, after, GUARDS, self.notices(after, reason)):
            self.run.log.warning(f"{self.run.job.name}_disabled", user=row["pk"], entityId=row["sk"], note=reason)

    def _health(self, row: Row, at: datetime) -> dict[str, str]:
        """Failure and success as read, or as this run wrote them."""
        read = {name: str(row[name]) for name in ("failing_since", "succeeded_at") if row.get(name)}
        past = {name: timestamp for name, timestamp in read.items() if timestamp <= self._ahead(at)}
        return self._written.get(_key(row), past)

    def _ahead(self, at: datetime) -> str:
        """Later timestamps were written under a wrong clock.

        A call of a repeated message may lie hours before the clock.
        """
        return clock.iso(max(at, self.run.cloud.clock.now()) + clock.FURTHEST_AHEAD)

    def _update(self, row: Row, expression: str, values: Mapping[str, Any], condition: str) -> None:
        # A row with another URL, or that was switched off, is not the endpoint that was called.
        table.update_if(
            self.run.cloud,
            self.table,
            RowKey(*_key(row)),
            expression,
            {**values, ":url": row["url"], ":yes": True},
            f"#url = :url AND (attribute_not_exists(active) OR active = :yes) AND {condition}",
            names={"#url": "url"},
            patient=True,
        )


def _key(row: Row) -> tuple[str, str]:
    return row["pk"], row["sk"]
