"""What the runs of one claim item have spent of their budget: read with the claim, written with its end.

`spent` on the item: period, items, micros, and `of`, the budget by which operators know how it stands. `granted`: how
far it may go in a period all the same, since somebody has resumed the job. Runs write the one, and people the other.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.advised_commands import advised
from shared.job import budget
from shared.job.budget import ITEMS, MICRO, MICROS, Budget

if TYPE_CHECKING:
    from shared.run.context import RunContext

ALERT = "JOB_BUDGET_USED_UP"
# What a pause by a budget begins with.
PAUSE_PREFIX = "budget: "


@dataclass(slots=True)
class BudgetUsage:
    """period: that in which the run began, and which it spends of. spent, limits: items and micros.

    kept: `spent` as it was read. left: items, then. known: whether operators know how it stands.
    """

    budget: Budget
    period: str
    spent: dict[str, int]
    limits: dict[str, int]
    kept: Mapping[str, Any]
    left: int | None
    known: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock, compare=False, repr=False)

    @property
    def used_up(self) -> bool:
        return any(self.spent[unit] >= limit for unit, limit in self.limits.items())

    @property
    def figures(self) -> str:
        """`1004 of 1000 items, 0.31 of 5 dollars`."""
        return budget.figures(self.spent, self.limits)

    @property
    def pause_reason(self) -> str:
        """Why nothing runs, as a pause says it."""
        return f"{PAUSE_PREFIX}{self.figures} used, held until {budget.end(self.period):%Y-%m-%d %H:%M} UTC"

    @property
    def sentence(self) -> str:
        """How it stands, for people."""
        if self.used_up:
            return f"Its budget is used up: {self.pause_reason.removeprefix(PAUSE_PREFIX)}."
        return f"Of its budget for {self.period} it has spent {self.figures}."

    @property
    def facts(self) -> dict[str, Any]:
        """As JSON says it; micros are millionths of a dollar."""
        told = {"period": self.period, "spent": self.spent, "limits": self.limits}
        return {**told, "used_up": self.used_up, "until": clock.iso(budget.end(self.period))}

    @property
    def row(self) -> dict[str, Any]:
        """As the item keeps it."""
        return {"period": self.period, **self.spent, **({"of": str(self.budget)} if self.known else {})}

    @property
    def grant(self) -> dict[str, Any]:
        """As much again as the budget, from here on."""
        return {
            "period": self.period,
            **{unit: self.spent[unit] + limit for unit, limit in self.budget.limits.items()},
        }

    def spend(self, items: int, dollars: float) -> None:
        """Parts of a millionth of a dollar count as one. Raises ValueError."""
        if items < 0 or not 0 <= dollars < math.inf:
            raise ValueError(f"a run cannot spend {items} items and {dollars} dollars; say what was done, not less")
        with self._lock:
            self.spent[ITEMS] += items
            self.spent[MICROS] += math.ceil(round(dollars * MICRO, 3))

    def alert_once(self, run: RunContext) -> bool:
        """Alert where the budget is used up and operators don't know; whether they do now.

        Before anything is written: a crash in between tells twice, the other order might leave nobody knowing.
        """
        if self.used_up and not self.known:
            from shared.observability import alerts

            job, log = run.job, run.log
            log.error(f"{job.name}_budget_used_up", status="paused", note=self.pause_reason)
            # The same for all who find that it is used up, and another once more was allowed.
            known = f"budget#{job.name}#{run.target}#{self.period}#{'-'.join(map(str, self.limits.values()))}"
            try:
                alerts.send(run.cloud, ALERT, job.name, self._fields(run), self._commands(run), known)
            except Exception as error:  # noqa: BLE001 - whatever keeps an alert back, the run's own end is not lost by it
                log.error("alert_not_told", alert=known, error=f"{type(error).__name__}: {error}")
                return False
        self.known = True
        return True

    def _fields(self, run: RunContext) -> dict[str, str]:
        told = {"job": run.job.name, "entityId": run.target, "jobId": run.run_id}
        return {**told, "spent": self.figures, "until": f"{budget.end(self.period):%Y-%m-%d %H:%M} UTC"}

    def _commands(self, run: RunContext) -> list[str]:
        stage, job = run.cloud.names.stage, run.job
        return [
            advised(stage, "why", job.name),
            f"{advised(stage, 'resume', job.name)}   # as much again",
            f"deploy it with a larger {job.env}_BUDGET",
        ]


def of(allowed: Budget, item: Mapping[str, Any], now: datetime) -> BudgetUsage:
    """As the claim item has it. A clock that is behind the last run's spends of that one's period."""
    kept, granted, period = item.get("spent") or {}, item.get("granted") or {}, allowed.period(now)
    live = kept if kept.get("period", "") >= period else {}
    raised = granted if granted.get("period", "") >= period else {}
    limits = {unit: max(limit, raised.get(unit, 0)) for unit, limit in allowed.limits.items()}
    spent = {unit: live.get(unit, 0) for unit in (ITEMS, MICROS)}
    left = max(0, limits[ITEMS] - spent[ITEMS]) if ITEMS in limits else None
    made = BudgetUsage(allowed, live.get("period", period), spent, limits, kept, left)
    made.known = made.used_up and kept.get("of") == str(allowed)
    return made


def condition(allowed: Budget, now: datetime) -> tuple[str, dict[str, str], dict[str, Any]]:
    """For the claim: that something is left, or a new period has begun. Names and values go with it."""
    names = {"#spent": "spent", "#granted": "granted", "#period": "period"}
    values: dict[str, Any] = {":period": allowed.period(now)}
    within = []
    for unit, limit in allowed.limits.items():
        names[f"#{unit}"], values[f":{unit}"] = unit, limit
        granted = f"(#granted.#period >= :period AND #spent.#{unit} < #granted.#{unit})"
        within.append(f"(#spent.#{unit} < :{unit} OR {granted})")
    # AND binds closer than OR, and DynamoDB refuses parentheses that it does not need.
    text = f"(attribute_not_exists(#spent) OR #spent.#period < :period OR {' AND '.join(within)})"
    return text, names, values


def shown(item: Mapping[str, Any], now: datetime) -> BudgetUsage | None:
    """As its last run left it, for who does not know the job's settings; None where no run has."""
    kept = item.get("spent") or {}
    if "of" not in kept:
        return None
    return of(budget.parse(kept["of"]), item, now)
