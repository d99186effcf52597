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


class EndpointAddress(TypedDict):
    """A Function URL."""

    #: Folder of functions/ that serves it, such as `trigger`.
    endpoint: str
    #: The URL.
    address: str


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


class JobCost(TypedDict):
    """The cost of a job's runs."""

    #: Name of the job or HTTP function.
    job: str
    #: `ticks` or `messages`.
    unit: str
    #: MB of memory.
    memory: int
    #: Ticks a month; 0 for a consumer.
    a_month: float
    #: Dollars of a million without work.
    per_million: float
    #: Dollars that each second of work adds to a million.
    per_second: float


class RunPrice(TypedDict):
    """One recorded run and its price."""

    #: Id of the run.
    run: str
    #: Timestamp of its start.
    started: str
    #: Its duration in milliseconds.
    ms: int
    #: Dollars, without the calls of its own code.
    dollars: float


class RecordedCost(TypedDict):
    """The cost of a job's recorded runs."""

    #: Name of the job.
    job: str
    #: Timestamp since which runs are counted.
    since: str
    #: Runs that executed code of the job.
    runs: int
    #: Their durations in seconds.
    seconds: float
    #: MB of memory.
    memory: int
    #: Dollars, without the calls of its own code.
    dollars: float
    #: The dearest runs, those first.
    dearest: list[RunPrice]


class TenantCost(TypedDict):
    """The cost of an organization's messages of one job and day."""

    #: Id of the organization.
    organization: str
    #: Day, UTC.
    day: str
    #: Name of the consumer.
    job: str
    #: Messages that the log counts.
    messages: int
    #: Dollars.
    dollars: float


class ItemDifference(TypedDict):
    """An item of the idle cost that differs."""

    #: Name of the item.
    item: str
    #: Dollars a month of the commit.
    before: float
    #: Dollars a month of this checkout.
    after: float


class JobDifference(TypedDict):
    """A job whose cost of a million runs differs."""

    #: Name of the job.
    job: str
    #: Dollars of the commit; null if it does not have the job.
    before: float | None
    #: Dollars of this checkout; null if it does not have the job.
    after: float | None


class CostDifference(TypedDict):
    """The difference of the cost to that of a commit."""

    #: Idle dollars a month of the commit.
    before: float
    #: Idle dollars a month of this checkout.
    after: float
    #: Items that differ.
    items: list[ItemDifference]
    #: Jobs that differ.
    jobs: list[JobDifference]


class IdleCost(TypedDict):
    """The cost of a stage without work."""

    #: Dollars a month.
    dollars: float
    #: Its items.
    items: list[PricedItem]
