"""Gates: checks of a firing before anything is claimed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.aws.names import NO_TARGET
from shared.job.definition import Job
from shared.job.lease_margin import lease_margin
from shared.job.outcome import Failed, Reason, Skipped
from shared.job.setting import SettingError
from shared.run.firing import Firing
from shared.run.target_check import unknown_target

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud


def closed_outcome(job: Job, firing: Firing, cloud: Cloud) -> Skipped | Failed | None:
    """Return the outcome of a closed gate, or None.

    Fails closed: an unreadable setting is Failed.
    """
    try:
        return first_closed(job, firing, cloud)
    except SettingError as error:
        return Failed(str(error), "SettingError", final=True)


def first_closed(job: Job, firing: Firing, cloud: Cloud) -> Skipped | None:
    """Return the first gate that is closed, or None.

    Raises SettingError for a setting that is unreadable.
    """
    environment = cloud.environment
    enable, _, *_ = job.all_settings()
    if not enable.read(environment):
        return Skipped(Reason.DISABLED, f"{enable.name} is false")
    # Before the gate of hosts, which would record a mistyped target as forbidden.
    if firing.manual and firing.target != NO_TARGET and (why := unknown_target(job, firing.target, cloud)):
        return Skipped(Reason.UNKNOWN_TARGET, why)
    hosts = next((setting for setting in job.settings if setting.name == f"{job.env}_HOSTS"), None)
    if hosts is not None:
        allowed = hosts.read(environment)
        if not allowed or firing.target not in (*allowed, NO_TARGET):
            host = firing.target if allowed else "any host"
            return Skipped(Reason.FORBIDDEN, f"{hosts.name} does not allow {host}")
    # Read here too, so that invalid values fail the run before the claim.
    job.allowance(environment)
    lease_margin(environment)
    age = (cloud.clock.now() - firing.at).total_seconds()
    if job.grace is not None and firing.fresh and not firing.manual and age > job.grace:
        return Skipped(Reason.LATE, f"started {age:.0f} s after its time; {job.grace} s of grace")
    return None
