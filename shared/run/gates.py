"""Whether a firing may run at all: asked before anything is claimed, answered from data at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.aws.names import NO_TARGET
from shared.job.definition import Job
from shared.job.outcome import Reason, Skipped
from shared.run.firing import Firing

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud


def first_closed(job: Job, firing: Firing, cloud: Cloud) -> Skipped | None:
    """The first gate that is shut, or None. Raises SettingError where a gate cannot be read: fail closed."""
    environment = cloud.environment
    enable, _, *_ = job.all_settings()
    if not enable.read(environment):
        return Skipped(Reason.DISABLED, f"{enable.name} is false")
    hosts = next((setting for setting in job.settings if setting.name == f"{job.env}_HOSTS"), None)
    if hosts is not None:
        allowed = hosts.read(environment)
        if not allowed or firing.target not in (*allowed, NO_TARGET):
            who = firing.target if allowed else "any host"
            return Skipped(Reason.FORBIDDEN, f"{hosts.name} does not allow {who}")
    # Read here too, so that one that makes no sense fails the run before it is claimed.
    job.allowance(environment)
    age = (cloud.clock.now() - firing.at).total_seconds()
    if job.grace is not None and firing.fresh and not firing.manual and age > job.grace:
        return Skipped(Reason.LATE, f"came {age:.0f} s after its time; {job.grace} s of grace")
    return None
