"""What a deployment may say of a job in place of its declaration: when it fires, its retries, what history it keeps.

`configured` is the only place where that is done; all others see the job as it then stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from shared.job import retention, schedule
from shared.job.retry import parse as parse_retry
from shared.job.settings import Setting, SettingError
from shared.job.validation import DeclarationError

if TYPE_CHECKING:
    from shared.job.definition import Job

SCHEDULE, RETRY, RETENTION = "schedule", "retry", "retention"
# By these it stays the same job.
IDENTITY = ("__module__", "__qualname__", "__doc__", "declared")


def settings_of(job: type[Job]) -> dict[str, Setting]:
    """By the attribute that each stands for; their defaults are what is declared.

    A consumer is fired by its queue, which also brings back what failed, unless it declares its payload.
    """
    told, name, env = job.declared, job.name, job.env
    kept = Setting(
        f"{env}_RETENTION",
        told.retention,
        f"DeadLetterFilter runs of {name} stay on record: high-volume, standard, critical, or ages and counts",
        retention.checked,
    )
    retry = Setting(
        f"{env}_RETRY",
        str(told.retry),
        f"How {name} is tried again: exponential, linear, fixed, explicit or none",
        parse_retry,
    )
    if job.queue:
        return {RETENTION: kept} if getattr(job, "payload", None) is None else {RETRY: retry, RETENTION: kept}
    fires = Setting(
        f"{env}_SCHEDULE",
        schedule.text(told.schedules()),
        f"When {name} fires: five cron fields, with a time zone where it isn't UTC; or off",
        schedule.parse,
    )
    return {SCHEDULE: fires, RETRY: retry, RETENTION: kept}


def configured(job: type[Job], environment: Mapping[str, str]) -> type[Job]:
    """The job as it stands where this is the environment: itself where that says nothing of it, else a class of it.

    Raises SettingError, with the variable, its value and what would do.
    """
    stands = job
    for attribute, setting in settings_of(job).items():
        if setting.name in environment:
            value = setting.read(environment)
            try:
                # One by one, so that a refusal names the variable that it is about.
                stands = _changed(stands, attribute, value)
            except DeclarationError as error:
                raise SettingError(f"{setting.name}={environment[setting.name]!r}: {error}") from None
    return stands


def _changed(job: type[Job], attribute: str, value: Any) -> type[Job]:
    told = {attribute: value}
    if value == ():
        # Without a schedule nothing is missed, and silence is what was asked for.
        told |= {"catch_up": None, "silent_after": None}
    own = {name: getattr(job, name) for name in IDENTITY}
    changed: type[Job] = type(job.__name__, (job,), {**own, **told})
    return changed
