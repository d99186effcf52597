"""Shapes of `drift`, `preflight`, `doctor` and `cost`."""

from __future__ import annotations

from typing_extensions import TypedDict


class ListedDifference(TypedDict):
    """A difference between the deployed stage and its declaration."""

    #: `undeclared`, `blocked` or `changed`.
    category: str
    #: `stack`, `rule`, `schedule`, `function` or `role`.
    kind: str
    #: Physical name.
    name: str
    #: Stack that it belongs to; null if it is not known, and for a stack.
    stack: str | None
    #: The difference as a sentence.
    problem: str
    #: Command that removes the difference.
    fix: str


class NamedResource(TypedDict):
    """A resource that was changed."""

    #: `stack`, `rule`, `schedule`, `function` or `role`.
    kind: str
    #: Physical name.
    name: str


class RemovedResources(TypedDict):
    """The result of `drift --remove`."""

    #: Resources that were deleted.
    removed: list[NamedResource]


class RestoredResources(TypedDict):
    """The result of `drift --restore`."""

    #: Rules and schedules that were enabled, functions that may run again, roles that have their policies again.
    restored: list[NamedResource]


class FoundProblem(TypedDict):
    """A finding of a check."""

    #: Name of the check.
    check: str
    #: `refused` or `warning`.
    severity: str
    #: Stack and resource, file and line, account, or region.
    where: str
    #: The problem as a sentence.
    problem: str
    #: Command or change that solves it.
    fix: str


class CheckedDeployment(TypedDict):
    """The result of `preflight` or `doctor`."""

    #: Number of findings that refuse; with any, the exit code is 4.
    refused: int
    #: All findings.
    findings: list[FoundProblem]


class PricedItem(TypedDict):
    """An item of the idle cost."""

    #: Name of the item.
    item: str
    #: Number of units a month.
    count: float
    #: The unit.
    unit: str
    #: Dollars a month.
    dollars: float


class IdleCost(TypedDict):
    """The cost of a stage without work."""

    #: Dollars a month.
    dollars: float
    #: Its items.
    items: list[PricedItem]
