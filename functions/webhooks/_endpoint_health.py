"""Health of webhook endpoints: record failures, disable a failing endpoint.

An endpoint is disabled at once by 410 Gone, and after DISABLE_AFTER without a success between two failures.

Attributes of its row: `failing_since` is the first failure since the last success; `disabled_at` and `disabled_why` are
set when `active` becomes false. Once its owner has set `active` again, earlier failures do not count.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared import clock, redaction
from shared.job import days, settings
from shared.store.conditional_update import update_if_unchanged

if TYPE_CHECKING:
    from shared.run.context import RunContext
    from shared.tables import Table

DISABLE_AFTER = settings.span(
    "WEBHOOK_DISABLE_AFTER", days(5), "How long an endpoint may fail without a success before it is disabled"
)
GONE = "it answered 410 Gone"
LONGEST_REASON = 200
# Rows that notify the owner of a disabled endpoint, created in the same transaction. Arguments: the row, the reason.
Notices = Callable[[Mapping[str, Any], str], Sequence[Any]]


class EndpointHealth:
    """Health of the endpoints of one run, safe to share between threads.

    notices: built once per disabled endpoint.
    """

    def __init__(self, run: RunContext, table: Table, notices: Notices) -> None:
        self.run = run
        self.table = table
        self.notices = notices
        self._lock = threading.Lock()
        # Keys of rows that this run has marked, and of those that it has disabled.
        self._marked: set[tuple[str, str]] = set()
        self._disabled: set[tuple[str, str]] = set()

    def active(self, row: Mapping[str, Any]) -> bool:
        return bool(row.get("active", True)) and self._key(row) not in self._disabled

    def succeeded(self, row: Mapping[str, Any]) -> None:
        if "failing_since" in row and self._first(self._marked, row):
            self._update(row, {name: value for name, value in row.items() if name != "failing_since"})

    def failed(self, row: Mapping[str, Any], at: datetime, why: str) -> None:
        """Record a failed attempt.

        Disables the endpoint if it has failed for too long.
        """
        since = self._failing_since(row)
        if since and at - clock.parse(since) >= self.run.setting(DISABLE_AFTER.name):
            self.disable(row, at, f"every call since {since[:10]} has failed, the last one because {why}")
        elif not since and self._first(self._marked, row):
            self._update(row, {**row, "failing_since": clock.iso(at)})

    def disable(self, row: Mapping[str, Any], at: datetime, why: str) -> None:
        """Set the endpoint inactive and notify its owner, both in one transaction."""
        if not self._first(self._disabled, row):
            return
        reason = redaction.excerpt(why, LONGEST_REASON)
        after = {**row, "active": False, "disabled_at": clock.iso(at), "disabled_why": reason}
        if self._update(row, after, self.notices(after, reason)):
            self.run.log.warning(f"{self.run.job.name}_disabled", user=row["pk"], entityId=row["sk"], note=reason)

    def _update(self, row: Mapping[str, Any], after: Mapping[str, Any], puts: Sequence[Any] = ()) -> bool:
        # A row that changed since the read has another URL or was switched: what was observed is not of it.
        guards = [name for name in ("url", "active", "failing_since") if name in row]
        return update_if_unchanged(self.run.cloud, self.table, row, after, guards, puts)

    def _failing_since(self, row: Mapping[str, Any]) -> str:
        since, disabled = str(row.get("failing_since", "")), str(row.get("disabled_at", ""))
        return since if since > disabled else ""

    def _first(self, among: set[tuple[str, str]], row: Mapping[str, Any]) -> bool:
        with self._lock:
            first = self._key(row) not in among
            among.add(self._key(row))
            return first

    @staticmethod
    def _key(row: Mapping[str, Any]) -> tuple[str, str]:
        return row["pk"], row["sk"]
