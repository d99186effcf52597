"""Usage of the job's budget by the runs of one claim item.

Read with the claim, written with the end of the run.

Attributes of the item: `spent` has period, items, micros, and `of`, the budget on which operators were alerted.
`granted` has the limits of a period that an operator raised by resuming the job. Runs write `spent`, and operators
`granted`.
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
# Start of the reason of a pause by a used-up budget.
PAUSE_PREFIX = "budget: "


@dataclass(slots=True)
class BudgetUsage:
    """Items and dollars that runs have spent in a period."""

    #: The budget of the job.
    budget: Budget
    #: Period in which the run began: `2026-03-02` or `2026-03`.
    period: str
    #: Items and micros (millionths of a dollar) spent in the period.
    spent: dict[str, int]
    #: Items and micros that may be spent, with what an operator granted.
    limits: dict[str, int]
    #: `spent` as it was read from the item.
    stored: Mapping[str, Any]
    #: Items left when it was read; None without a limit of items.
    left: int | None
    #: Whether operators were alerted that the budget is used up.
    alerted: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock, compare=False, repr=False)

    @property
    def used_up(self) -> bool:
        """Whether one of the limits is reached."""
        return any(self.spent[unit] >= limit for unit, limit in self.limits.items())

    @property
    def figures(self) -> str:
        """`1004 of 1000 items, 0.31 of 5 dollars`."""
        return budget.figures(self.spent, self.limits)

    @property
    def pause_reason(self) -> str:
        """Reason of the pause by a used-up budget."""
        return f"{PAUSE_PREFIX}{self.figures} used, held until {budget.end(self.period):%Y-%m-%d %H:%M} UTC"

    @property
    def sentence(self) -> str:
        """The usage as a sentence for people."""
        if self.used_up:
            return f"Its budget is used up: {self.pause_reason.removeprefix(PAUSE_PREFIX)}."
        return f"Of its budget for {self.period} it has spent {self.figures}."

    @property
    def facts(self) -> dict[str, Any]:
        """The usage as JSON data."""
        data = {"period": self.period, "spent": self.spent, "limits": self.limits}
        return {**data, "used_up": self.used_up, "until": clock.iso(budget.end(self.period))}

    @property
    def row(self) -> dict[str, Any]:
        """The attribute `spent` of the claim item."""
        return {"period": self.period, **self.spent, **({"of": str(self.budget)} if self.alerted else {})}

    @property
    def grant(self) -> dict[str, Any]:
        """The attribute `granted` that allows the budget once more, from here on."""
        return {
            "period": self.period,
            **{unit: self.spent[unit] + limit for unit, limit in self.budget.limits.items()},
        }

    def spend(self, items: int, dollars: float) -> None:
        """Add to what is spent, dollars rounded up to a millionth.

        Raises ValueError for negative values.
        """
        if items < 0 or not 0 <= dollars < math.inf:
            raise ValueError(f"a run cannot spend {items} items and {dollars} dollars; both must be 0 or more")
        with self._lock:
            self.spent[ITEMS] += items
            self.spent[MICROS] += math.ceil(round(dollars * MICRO, 3))

    def alert_once(self, run: RunContext) -> bool:
        """Alert operators where the budget is used up.

        Return whether they are alerted now.

        Sent before anything is written: a crash between the two alerts twice, the reverse order might never alert.
        """
        if self.used_up and not self.alerted:
            from shared.observability import alerts

            job, log = run.job, run.log
            log.error(f"{job.name}_budget_used_up", status="paused", note=self.pause_reason)
            # The same id for all runs that find it used up, and a new one after another grant.
            alert_id = f"budget#{job.name}#{run.target}#{self.period}#{'-'.join(map(str, self.limits.values()))}"
            try:
                alerts.send(run.cloud, ALERT, job.name, self._fields(run), self._commands(run), alert_id)
            except Exception as error:  # noqa: BLE001 - no failure of an alert may lose the end of the run
                log.error("alert_not_told", alert=alert_id, error=f"{type(error).__name__}: {error}")
                return False
        self.alerted = True
        return True

    def _fields(self, run: RunContext) -> dict[str, str]:
        about = {"job": run.job.name, "entityId": run.target, "jobId": run.run_id}
        return {**about, "spent": self.figures, "until": f"{budget.end(self.period):%Y-%m-%d %H:%M} UTC"}

    def _commands(self, run: RunContext) -> list[str]:
        stage, job = run.cloud.names.stage, run.job
        return [
            advised(stage, "why", job.name),
            f"{advised(stage, 'resume', job.name)}   # as much again",
            f"deploy it with a larger {job.env}_BUDGET",
        ]


def from_item(allowed: Budget, item: Mapping[str, Any], now: datetime) -> BudgetUsage:
    """Return the usage by the claim item.

    If the clock is behind that of the last run, usage counts toward the last run's period; not if that is far ahead.
    """
    stored, granted, period = item.get("spent") or {}, item.get("granted") or {}, allowed.period(now)
    current = stored if period <= stored.get("period", "") <= allowed.period(now + clock.FURTHEST_AHEAD) else {}
    raised = granted if granted.get("period", "") >= period else {}
    limits = {unit: max(limit, raised.get(unit, 0)) for unit, limit in allowed.limits.items()}
    spent = {unit: current.get(unit, 0) for unit in (ITEMS, MICROS)}
    left = max(0, limits[ITEMS] - spent[ITEMS]) if ITEMS in limits else None
    usage = BudgetUsage(allowed, current.get("period", period), spent, limits, stored, left)
    usage.alerted = usage.used_up and stored.get("of") == str(allowed)
    return usage


def claim_condition(allowed: Budget, now: datetime) -> tuple[str, dict[str, str], dict[str, Any]]:
    """Return the condition under which a budget allows a claim.

    It holds while something is left, or once a new period has begun. Names and values belong to it. A period far ahead
    of the clock, which a machine with a wrong clock began, counts as none.
    """
    names = {"#spent": "spent", "#granted": "granted", "#period": "period"}
    furthest = allowed.period(now + clock.FURTHEST_AHEAD)
    values: dict[str, Any] = {":period": allowed.period(now), ":furthest_period": furthest}
    within = []
    for unit, limit in allowed.limits.items():
        names[f"#{unit}"], values[f":{unit}"] = unit, limit
        granted = f"(#granted.#period >= :period AND #spent.#{unit} < #granted.#{unit})"
        within.append(f"(#spent.#{unit} < :{unit} OR {granted})")
    # AND binds closer than OR, and DynamoDB rejects redundant parentheses.
    other = "attribute_not_exists(#spent) OR #spent.#period < :period OR #spent.#period > :furthest_period"
    return f"({other} OR {' AND '.join(within)})", names, values


def last_recorded(item: Mapping[str, Any], now: datetime) -> BudgetUsage | None:
    """Return the usage as the last run recorded it.

    Needs no settings of the job. None where no run has recorded a budget.
    """
    stored = item.get("spent") or {}
    if "of" not in stored:
        return None
    return from_item(budget.parse(stored["of"]), item, now)
