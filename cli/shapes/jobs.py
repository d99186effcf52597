"""Shapes of `list` and `describe`."""

from __future__ import annotations

from typing_extensions import TypedDict


class ListedJob(TypedDict):
    """A job with the values in force in this environment."""

    #: Name of the job.
    name: str
    #: Folder of functions/ with its module.
    group: str
    #: First sentence of its documentation.
    purpose: str
    #: Its schedules, joined by commas; null for a job without one.
    schedule: str | None
    #: Timestamp of its next tick; null without a schedule.
    next: str | None
    #: Logical name of the queue that it consumes; null for a job without one.
    queue: str | None
    #: Retry policy.
    retry: str
    #: Time limit of a run in seconds.
    timeout_s: int
    #: Memory of its function in megabytes.
    memory_mb: int
    #: Why a repetition is harmless.
    guarantee: str
    #: Whether its runs are allowed.
    enabled: bool
    #: Items that one run may process.
    cap: int
    #: Items and dollars of a period; null without a budget.
    budget: str | None
    #: Retention of its history.
    retention: str
    #: Workers, or the function that runs it; null for a consumer.
    run_by: str | None
    #: Number of shards, 1 for a job that is not sharded.
    shards: int
    #: Whether it is disabled in production until it is enabled.
    costly: bool
    #: Key of its status in the document of `status`.
    status_key: str
    #: Source of the values in force, by field: `declared`, or the name of a variable.
    origins: dict[str, str]
    #: Errors of its settings; it does not run while there are any.
    faults: list[str]


class DescribedPermission(TypedDict):
    """A grant of the job's role."""

    #: Resource, as in `table/state`.
    resource: str
    #: Partition keys that the grant is limited to; empty for all.
    keys: list[str]
    #: Actions of IAM.
    actions: list[str]


class DescribedSetting(TypedDict):
    """An environment variable that a job reads."""

    #: Name of the variable.
    name: str
    #: Text that applies if it is not set.
    default: str
    #: Meaning of the setting.
    meaning: str


# `for` is a keyword.
_CommandPurpose = TypedDict(
    "_CommandPurpose",
    {
        #: Purpose of the command.
        "for": str,
    },
)


class AdvisedCommand(_CommandPurpose):
    """A command line and its purpose."""

    #: Command line, ready for a shell.
    command: str


class DescribedProof(TypedDict):
    """What `make prove` found for a job."""

    #: Whether the certificate is of the code that is here now; false without one.
    current: bool
    #: Whether no crash point violated the guarantee; false without a certificate.
    holds: bool
    #: Result in words, with commit and counts.
    text: str


class DescribedJob(TypedDict):
    """A job as its declaration describes it."""

    #: Name of the job.
    name: str
    #: Folder of functions/ with its module.
    group: str
    #: First sentence of its documentation.
    purpose: str
    #: The whole documentation.
    description: str
    #: Path of its module in the project.
    source: str
    #: Guarantees, one paragraph each.
    guarantee: list[str]
    #: What breaking the job at every call has found.
    proof: DescribedProof
    #: Values in force as texts, by name.
    facts: dict[str, str]
    #: Grants of its role; nothing else is allowed.
    permissions: list[DescribedPermission]
    #: Settings that it reads.
    settings: list[DescribedSetting]
    #: What happens when it fails, one sentence each.
    runbook: list[str]
    #: Commands for its operation.
    commands: list[AdvisedCommand]
