"""Rows of an assessment: state, result, model calls, organization's monthly cost.

`<organization>` / `<assessment id>`: state and result. `<organization>#calls` / `<assessment id>#<attempt>`: one paid
call. `<organization>#cost` / `<yyyy-mm>`: the cost of a month.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared import clock, redaction
from shared.job import Grant, read_rows
from shared.store import table
from shared.store.keys import RowKey
from shared.store.transaction import Put, TransactionCancelled, Update, write_together
from shared.tables import ASSESSMENTS

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.messages.tenant import Tenant

COMPLETED, FAILED, PROCESSING = "completed", "failed", "processing"
# Attributes of a failed attempt, which a later one must not leave behind.
FAILURE = ("error", "failed_at")
ENDS = (*FAILURE, "completed_at")
GRANTS = (
    read_rows(ASSESSMENTS.name),
    Grant(("dynamodb:UpdateItem", "dynamodb:PutItem"), f"table/{ASSESSMENTS.name}"),
)


class AlreadyCompleted(Exception):
    """Another run has completed the assessment."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """One assessment of an organization."""

    cloud: Cloud
    tenant: Tenant
    id: str

    def read(self) -> dict[str, Any]:
        """The row; empty if there is none."""
        return table.get(self.cloud, ASSESSMENTS, self._key)

    def progress(self, step: str, percent: int) -> None:
        """Record the current step; the first one also the start. Raises AlreadyCompleted."""
        started = {} if percent else {"started_at": self._now()}
        self._update(
            {"state": PROCESSING, "step": step, "progress": percent, **started}, remove=() if percent else ENDS
        )

    def complete(self, **values: Any) -> None:
        """Record the result. Raises AlreadyCompleted."""
        ends = {"state": COMPLETED, "step": "finished", "progress": 100, "completed_at": self._now()}
        self._update({**ends, **values}, remove=FAILURE)

    def fail(self, error: str) -> None:
        """Record a failure. Raises AlreadyCompleted."""
        self._update({"state": FAILED, "step": "error", "error": error, "failed_at": self._now()})

    def _update(self, values: Mapping[str, Any], remove: Sequence[str] = ()) -> None:
        values = {**values, "changed_at": self._now()}
        removed = f" REMOVE {', '.join(f'#{name}' for name in remove)}" if remove else ""
        updated = table.update_if(
            self.cloud,
            ASSESSMENTS,
            self._key,
            f"SET {', '.join(f'#{name} = :{name}' for name in values)}{removed}",
            {":completed": COMPLETED, **{f":{name}": value for name, value in values.items()}},
            "attribute_exists(pk) AND (attribute_not_exists(#state) OR #state <> :completed)",
            names={"#state": "state", **{f"#{name}": name for name in (*values, *remove)}},
        )
        if not updated:
            raise AlreadyCompleted(f"{self.id} is completed")

    def record_call(self, attempt: int, run: str, answer: Mapping[str, Any]) -> None:
        """Record a call's cost, and add it to the organization's month.

        A repeated record changes nothing.
        """
        now = self.cloud.clock.now()
        call = {"micros": answer["micros"], "tokens_read": answer["read"], "tokens_written": answer["written"]}
        adds = {**call, "calls": 1}
        row = {"pk": self.tenant.key("calls"), "sk": f"{self.id}#{attempt}", "at": clock.iso(now), "run": run, **call}
        if answer.get("estimated"):
            row["estimated"] = True
        month = Update(
            ASSESSMENTS,
            RowKey(self.tenant.key("cost"), f"{now:%Y-%m}"),
            f"ADD {', '.join(f'#{name} :{name}' for name in adds)}",
            names={f"#{name}": name for name in adds},
            values={f":{name}": number for name, number in adds.items()},
        )
        try:
            write_together(self.cloud, [Put(ASSESSMENTS, row, condition="attribute_not_exists(pk)"), month])
        except TransactionCancelled as cancelled:
            if not cancelled.condition_failed:
                raise

    def _now(self) -> str:
        return clock.iso(self.cloud.clock.now())

    @property
    def _key(self) -> RowKey:
        return RowKey(self.tenant.id, self.id)


def error_text(error: BaseException) -> str:
    """Redacted text of an exception, for the row and the log."""
    return redaction.excerpt(f"{type(error).__name__}: {error}", redaction.LONG)
