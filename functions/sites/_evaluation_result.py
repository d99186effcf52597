"""Result of one attempt at a task, also as an attribute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from functions.sites._webevals import Task


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """Result of one attempt."""

    task: Task
    state: str
    """done, failed, retried, put off, or taken, which means by another run."""
    at: str
    """Timestamp of the end of the attempt."""
    note: str = ""
    status: int | None = None
    """HTTP status of the answer, if there was one."""
    ms: int = 0
    sample: str = ""

    @property
    def ok(self) -> bool:
        return self.state not in ("failed", "retried")

    @property
    def is_reported(self) -> bool:
        """Whether the host's artifact and status include it."""
        return self.state in ("done", "failed", "retried")

    def report(self) -> dict[str, Any]:
        """Return what artifact and status need, as the row's attribute `report`."""
        fields = {
            "attempt": self.task.attempt,
            "url": self.task.url,
            "state": self.state,
            "at": self.at,
            "note": self.note,
            "status": self.status,
            "ms": self.ms,
            "sample": self.sample,
        }
        return {name: value for name, value in fields.items() if value is not None}


def from_report(task_id: str, host: str, report: Mapping[str, Any]) -> EvaluationResult:
    """Return the result of an attempt of an earlier run."""
    task = Task(task_id, host, report["url"], "", report["attempt"])
    return EvaluationResult(
        task, report["state"], report["at"], report["note"], report.get("status"), report["ms"], report["sample"]
    )
