"""Values of a declaration that are in force.

Each has its origin: declared, or an environment variable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.job import settings_check
from shared.job.budget import Budget
from shared.job.definition import Job
from shared.job.overrides import settings_of
from shared.job.setting import Setting, SettingError

DECLARED = "declared"


@dataclass(frozen=True, slots=True)
class InForce:
    """Overridable values that are no attributes of the configured job."""

    enabled: bool
    """Whether the job runs at all."""
    cap: int
    """Items that one run may process."""
    budget: Budget | None
    """Limit per day or month of all shards together; None without one."""
    run_by: str | None
    """Executor of its ticks; None for a consumer."""
    origins: Mapping[str, str]
    """By the name of each overridable value: `declared`, or the variable. Includes schedule, retry and retention."""
    faults: tuple[str, ...]
    """Errors of its variables. The values are then the declared ones, and the job cannot be run."""


def values(job: Job, environment: Mapping[str, str]) -> InForce:
    """The values in force of a job.

    The registry must have configured it with the same environment.
    """
    enable, cap, *_ = job.all_settings()
    settings = {"enabled": enable, "cap": cap}
    if job.budget is not None:
        settings["budget"] = job.budget.setting(job.env, job.name)
    if not job.queue:
        settings["run_by"] = job.run_by()
    found: dict[str, Any] = {}
    # The registry overrides an attribute for each variable, or none where one of them is invalid.
    overridden = type(job) is not job.declared
    origins = {
        name: _origin(setting, environment) if overridden else DECLARED
        for name, setting in settings_of(job.declared).items()
    }
    for name, setting in settings.items():
        try:
            found[name], origins[name] = setting.read(environment), _origin(setting, environment)
        except SettingError:
            found[name], origins[name] = setting.read({}), DECLARED
    return InForce(
        enabled=found["enabled"],
        cap=found["cap"],
        budget=found.get("budget"),
        run_by=found.get("run_by"),
        origins=origins,
        faults=tuple(settings_check.invalid([job], environment)),
    )


def _origin(setting: Setting, environment: Mapping[str, str]) -> str:
    return setting.name if environment.get(setting.name, "").strip() else DECLARED
