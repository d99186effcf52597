"""Overrides of a job's declaration by the environment: schedule, retries and retention.

`configured` applies them; all other code uses the class that it returns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.job import retention, schedule
from shared.job.retry import parse as parse_retry
from shared.job.setting import Setting, SettingError
from shared.job.validation import DeclarationError

SCHEDULE, RETRY, RETENTION = "schedule", "retry", "retention"
# Attributes that identify the job, and are the same in the overriding class.
IDENTITY = ("__module__", "__qualname__", "__doc__", "declared")


def settings_of(job: type[Any]) -> dict[str, Setting]:
    """Settings by the attribute that they override.

    The declared values are their defaults. A consumer has no schedule. SQS retries its messages, unless it declares a
    payload.
    """
    declared, name, env = job.declared, job.name, job.env
    history = Setting(
        f"{env}_RETENTION",
        declared.retention,
        f"Run history of {name} to retain: high-volume, standard, critical, or ages and counts",
        retention.checked,
    )
    retry = Setting(
        f"{env}_RETRY",
        str(declared.retry),
        f"Retries of {name}: exponential, linear, fixed, explicit or none",
        parse_retry,
    )
    if job.queue:
        return {RETENTION: history} if getattr(job, "payload", None) is None else {RETRY: retry, RETENTION: history}
    fires = Setting(
        f"{env}_SCHEDULE",
        schedule.text(declared.schedules()),
        f"Schedule of {name}: five cron fields, with a time zone other than UTC if needed; or off",
        schedule.parse,
    )
    return {SCHEDULE: fires, RETRY: retry, RETENTION: history}


def configured(job: type[Any], environment: Mapping[str, str]) -> type[Any]:
    """The job with the environment's overrides.

    The same class without any, otherwise a subclass of it. Raises SettingError with the variable, its value and the
    accepted forms.
    """
    result = job
    for attribute, setting in settings_of(job).items():
        if environment.get(setting.name, "").strip():
            value = setting.read(environment)
            try:
                # One by one, so that an error names the variable that caused it.
                result = _with_value(result, attribute, value)
            except DeclarationError as error:
                raise SettingError(f"{setting.name}={environment[setting.name]!r}: {error}") from None
    return result


def _with_value(job: type[Any], attribute: str, value: Any) -> type[Any]:
    values = {attribute: value}
    if value == ():
        # Without a schedule no tick can be missed, and silence is no alarm.
        values |= {"catch_up": None, "silent_after": None}
    identity = {name: getattr(job, name) for name in IDENTITY}
    changed: type[Any] = type(job.__name__, (job,), {**identity, **values})
    return changed
