"""The public interface for job authors: everything that a job's declaration names.

    from shared.job import Job, RunContext, daily, natural

    class Greeting(Job):
        \"""Greet every user once a day.\"""

        schedule = daily(hour=9, minute=0)
        idempotency = natural("a user who was greeted today is not selected again")

        def work(self, run: RunContext) -> Done: ...

Archetypes are imported from shared.archetypes, one module each. Only the standard library is loaded here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared import tables
from shared.aws import permissions
from shared.aws.names import NO_TARGET
from shared.aws.permissions import (
    Grant,
    converse,
    delete_objects,
    delete_rows,
    find_missing_objects,
    invoke_jobs,
    list_objects,
    produce,
    read_objects,
    read_parameter,
    read_rows,
    read_secret,
    update_rows,
    write_objects,
    write_rows,
)
from shared.job import policies as retry_policies
from shared.job import setting as settings
from shared.job.action import Action
from shared.job.budget import Budget
from shared.job.definition import Job
from shared.job.duration import days, hours, minutes
from shared.job.effect import (
    Confirmed,
    Effect,
    InFlight,
    NotDone,
    NotPerformed,
    UncertainOutcome,
    Unknown,
    before_call,
)
from shared.job.idempotency import Idempotency, flag_check, keyed, natural, upsert, version_check
from shared.job.outcome import Done, Failed, Outcome, Reason, Rejected, Skipped, Snoozed
from shared.job.retry import NO_RETRY, RetryPolicy, explicit, exponential, fixed, linear
from shared.job.schedule import CatchUp, Schedule, cron, daily, every, hourly, monthly, weekly
from shared.job.setting import Setting, SettingError

if TYPE_CHECKING:
    from shared.run.context import RunContext
else:
    # A name for annotations, which nothing evaluates: shared.run is a level above this package.
    RunContext = Any

__all__ = [
    "NO_RETRY",
    "NO_TARGET",
    "Action",
    "Budget",
    "CatchUp",
    "Confirmed",
    "Done",
    "Effect",
    "Failed",
    "Grant",
    "Idempotency",
    "InFlight",
    "Job",
    "NotDone",
    "NotPerformed",
    "Outcome",
    "Reason",
    "Rejected",
    "RetryPolicy",
    "RunContext",
    "Schedule",
    "Setting",
    "SettingError",
    "Skipped",
    "Snoozed",
    "UncertainOutcome",
    "Unknown",
    "before_call",
    "converse",
    "cron",
    "daily",
    "days",
    "delete_objects",
    "delete_rows",
    "every",
    "explicit",
    "exponential",
    "find_missing_objects",
    "fixed",
    "flag_check",
    "hourly",
    "hours",
    "invoke_jobs",
    "keyed",
    "linear",
    "list_objects",
    "minutes",
    "monthly",
    "natural",
    "permissions",
    "produce",
    "read_objects",
    "read_parameter",
    "read_rows",
    "read_secret",
    "retry_policies",
    "settings",
    "tables",
    "update_rows",
    "upsert",
    "version_check",
    "weekly",
    "write_objects",
    "write_rows",
]
