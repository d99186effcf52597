"""Every JSON document, by command, and the commands that have none."""

from __future__ import annotations

from typing import Any, NamedTuple

from cli.shapes.dead_letters import (
    AuditedAction,
    CanaryResult,
    DeadLetterPurgePreview,
    ListedDeadLetter,
    ListedDeadLetterGroup,
    PurgedDeadLetters,
    RedrivePreview,
    RedriveResult,
    ShownDeadLetter,
)
from cli.shapes.deployment import (
    CheckedDeployment,
    CostDifference,
    EndpointAddress,
    IdleCost,
    JobCost,
    ListedDifference,
    RecordedCost,
    RemovedResources,
    RestoredResources,
    TenantCost,
)
from cli.shapes.effects import ResolvedEffect, UncertainEffect
from cli.shapes.errors import CommandFailure
from cli.shapes.explanation import TickExplanation
from cli.shapes.jobs import DescribedJob, ListedJob
from cli.shapes.messages import ListedMail, LogLine, MeasuredQueue, SentMessage, ShownMail
from cli.shapes.pauses import ListedMute, ListedPause, ResetPosition, ResetWatermark
from cli.shapes.records import LoadedRecords, MessageSum
from cli.shapes.runs import ListedRun, PlannedRun, RecordedRun, RunResult
from cli.shapes.schedules import CrontabLine, CrowdedMinutes, StartsOfDay
from cli.shapes.settings import ListedSetting
from cli.shapes.status import JobStatistics, JobStatus

# `python jobs.py pricing`: in place of a command, the name of a job.
JOB = "JOB"
# Of every command that could not do its work.
ANY = "*"


class JsonDocument(NamedTuple):
    """A document that a command prints with `--json`."""

    #: Name in the schema.
    name: str
    #: Command, with its verb.
    command: str
    #: A TypedDict, or a list or dict of them.
    shape: Any
    #: In which case the command prints it; empty for a command with one document.
    case: str = ""
    #: Raised when a field is renamed or removed, or its type changes.
    version: int = 1


DOCUMENTS = (
    JsonDocument("error", ANY, CommandFailure),
    JsonDocument("run", JOB, RunResult, "of a run"),
    JsonDocument("planned-run", JOB, PlannedRun, "with `--dry-run`"),
    JsonDocument("jobs", "list", list[ListedJob]),
    JsonDocument("job", "describe", DescribedJob),
    JsonDocument("tested-run", "test", RunResult),
    JsonDocument("applied-run", "apply", RunResult),
    JsonDocument("paused", "pause", ListedPause, "of one job"),
    JsonDocument("paused-tenant", "pause", list[ListedPause], "with `--tenant` and without a job"),
    JsonDocument("resumed", "resume", ListedPause, "of one job"),
    JsonDocument("resumed-tenant", "resume", list[ListedPause], "with `--tenant` and without a job"),
    JsonDocument("pauses", "pauses", list[ListedPause]),
    JsonDocument("mutes", "mute", list[ListedMute], "without a job"),
    JsonDocument("muted", "mute", ListedMute, "of one job"),
    JsonDocument("reset", "reset", ResetPosition, "of a position"),
    JsonDocument("watermark", "reset", ResetWatermark, "with `--watermark`"),
    JsonDocument("runs", "runs", list[ListedRun]),
    JsonDocument("recorded-run", "run", RecordedRun),
    JsonDocument("replayed-run", "replay", RunResult),
    JsonDocument("explanation", "why", TickExplanation),
    JsonDocument("statuses", "status", dict[str, JobStatus]),
    JsonDocument("statistics", "top", list[JobStatistics]),
    JsonDocument("dead-letter-groups", "dead list", list[ListedDeadLetterGroup], "without `--group`"),
    JsonDocument("dead-letters", "dead list", list[ListedDeadLetter], "with `--group`"),
    JsonDocument("dead-letter", "dead show", ShownDeadLetter),
    JsonDocument("redrive", "dead retry", RedriveResult, "of one dead letter"),
    JsonDocument("canary", "dead retry", CanaryResult, "with `--group`"),
    JsonDocument("redrive-preview", "dead retry", RedrivePreview, "with `--dry-run`"),
    JsonDocument("purge", "dead purge", PurgedDeadLetters, "of a purge"),
    JsonDocument("purge-preview", "dead purge", DeadLetterPurgePreview, "with `--dry-run`"),
    JsonDocument("audit", "dead audit", list[AuditedAction]),
    JsonDocument("effects", "effects", list[UncertainEffect], "of a list"),
    JsonDocument("resolved-effect", "effects", ResolvedEffect, "with `done` or `redo`"),
    JsonDocument("drift", "drift", list[ListedDifference], "of a list"),
    JsonDocument("removed", "drift", RemovedResources, "with `--remove`"),
    JsonDocument("addresses", "urls", list[EndpointAddress]),
    JsonDocument("restored", "drift", RestoredResources, "with `--restore`"),
    JsonDocument("preflight", "preflight", CheckedDeployment),
    JsonDocument("doctor", "doctor", CheckedDeployment),
    JsonDocument("sent", "send", SentMessage),
    JsonDocument("queues", "queues", list[MeasuredQueue]),
    JsonDocument("log", "logs", list[LogLine]),
    JsonDocument("mails", "mail", list[ListedMail], "of a list"),
    JsonDocument("mail", "mail", ShownMail, "with `show`"),
    JsonDocument("seeded", "seed", dict[str, int]),
    JsonDocument("loaded", "load", LoadedRecords),
    JsonDocument("sums", "sums", list[MessageSum]),
    JsonDocument("cost", "cost", IdleCost, "of an idle stage"),
    JsonDocument("recorded-cost", "cost", RecordedCost, "of a job's runs"),
    JsonDocument("job-costs", "cost", list[JobCost], "with `--jobs`"),
    JsonDocument("tenant-costs", "cost", list[TenantCost], "with `--tenants`"),
    JsonDocument("cost-difference", "cost", CostDifference, "with `--diff`"),
    JsonDocument("crontab", "crontab", list[CrontabLine]),
    JsonDocument("starts", "heatmap", StartsOfDay, "of one day"),
    JsonDocument("crowded", "heatmap", CrowdedMinutes, "with `--check`"),
    JsonDocument("settings", "env", list[ListedSetting]),
)
# Command -> why it has no document.
WITHOUT_DOCUMENT = {
    "up": "runs until it is stopped, and prints a line for each run that ends; `runs` and `status` have documents",
    "worker": "runs until it is stopped, and prints a line for each run that ends; `runs` has a document",
    "console": "opens a browser, or prints a link that works once",
    "token": "prints one value, the secret alone, for a header of a request",
    "completion": "prints a script for a shell",
    "new": "writes source files, and prints their paths, one on each line",
    "destroy": "deletes a stage once; its exit code is the result",
    "generate": "writes files of the repository; its exit code is the result",
}
