"""Whether a firing is run where it came in, or sent to whoever runs the job: `<ENV>_RUN_BY`, read each time."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from shared.job.definition import INLINE, QUEUE, Job
from shared.job.outcome import Enqueued, Failed
from shared.job.settings import SettingError
from shared.job.validation import MOST_HOPS, hops
from shared.run import gates, send
from shared.run.firing import Firing

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud


def route(job: Job, firing: Firing, cloud: Cloud) -> Enqueued | Failed | None:
    """None where it is run here and now; so is what a shut gate keeps out, whose row says so.

    Nothing is claimed, so that a firing that is handed over twice is claimed once. Failed where it cannot be handed
    over: `final` for a setting that cannot be read, or whose chain Lambda would cut short.
    """
    if firing.by or firing.plan:
        # It has been handed over, or a person stands by it.
        return None
    try:
        by = _run_by(job, firing, cloud)
        if by == INLINE or gates.first_closed(job, firing, cloud):
            return None
        send.send(cloud, firing.routed(by))
    except SettingError as error:
        return Failed(str(error), "SettingError", final=True)
    except Exception as error:  # noqa: BLE001 - whatever a broker raises, it is an attempt that failed
        return Failed(f"{type(error).__name__}: {error}", type(error).__name__, traceback.format_exc())
    return Enqueued(by)


def _run_by(job: Job, firing: Firing, cloud: Cloud) -> str:
    setting = job.run_by()
    by: str = setting.read(cloud.environment)
    longest = hops(job.retry.attempts) + firing.routed(by).hop - firing.hop
    if by == QUEUE and longest > MOST_HOPS:
        raise SettingError(
            f"{setting.name}={by}: with {job.retry.attempts} attempts after the hand-over {longest} invocations may "
            f"follow each other, of {MOST_HOPS}; choose another way to run it, or declare fewer attempts"
        )
    return by
