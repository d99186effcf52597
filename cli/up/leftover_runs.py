"""Record runs as lost that a stop of the local cloud interrupted.

Their processes are gone, so no lease need expire.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from shared import clock
from shared.aws.cloud import Cloud
from shared.job import manifest
from shared.job.definition import Job
from shared.observability.log import Log
from shared.run import lost_runs

NOTE = "interrupted when the local cloud was stopped; not retried, the next tick does its work"


def mark_lost(cloud: Cloud, jobs: Iterable[Job], before: datetime, log: Log) -> int:
    """Record runs as lost that claimed before that time, and count them.

    Only for just after an engine start.
    """
    count = 0
    for name, entry in manifest.of(jobs).items():
        for item in lost_runs.claim_items(cloud, entry):
            if "holder" in item and item["started"] < clock.iso(before):
                count += lost_runs.mark_lost(cloud, log, name, entry, item, NOTE)
    return count
