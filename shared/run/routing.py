"""Routing: run a firing here, or send it to its runtime.

`<ENV>_RUN_BY` names the runtime and is read each time.
"""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from shared.job.definition import INLINE, QUEUE, Job
from shared.job.outcome import Enqueued, Failed
from shared.job.setting import SettingError
from shared.job.validation import MAX_HOPS, hops
from shared.run import gates, send
from shared.run.firing import Firing

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud


def route(job: Job, firing: Firing, cloud: Cloud) -> Enqueued | Failed | None:
    """Send the firing to its runtime; None where it is run here.

    A firing that a gate keeps out is not sent on: it ends here, and its history row records the skip. Nothing is
    claimed yet, so that a firing sent twice is claimed once. Returns Failed if it cannot be sent: `final` for a setting
    that cannot be read, or one whose chain of invocations Lambda would interrupt.
    """
    if firing.by or firing.plan:
        # Routed already, or applied by an operator who waits for it.
        return None
    try:
        by = _run_by(job, firing, cloud)
        if by == INLINE or gates.first_closed(job, firing, cloud):
            return None
        send.send(cloud, firing.routed(by))
    except SettingError as error:
        return Failed(str(error), "SettingError", final=True)
    except Exception as error:  # noqa: BLE001 - any exception of a broker is a failed attempt
        return Failed(f"{type(error).__name__}: {error}", type(error).__name__, traceback.format_exc())
    return Enqueued(by)


def _run_by(job: Job, firing: Firing, cloud: Cloud) -> str:
    setting = job.run_by()
    by: str = setting.read(cloud.environment)
    longest = hops(job.retry.attempts) + firing.routed(by).hop - firing.hop
    if by == QUEUE and longest > MAX_HOPS:
        raise SettingError(
            f"{setting.name}={by}: with {job.retry.attempts} attempts after routing {longest} invocations may "
            f"follow each other, of {MAX_HOPS}; choose another way to run it, or declare fewer attempts"
        )
    return by
