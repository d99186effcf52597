"""Runs that the local cloud's last end cut off: no process of theirs is left, so no lease need run out first."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from shared import clock
from shared.aws.cloud import Cloud
from shared.job import manifest
from shared.job.definition import Job
from shared.run import lost_runs


def bury(cloud: Cloud, jobs: Iterable[Job], before: datetime) -> int:
    """Mark every run lost that took its lease before that instant. Only for who has just started the engine."""
    buried = 0
    for name, entry in manifest.of(jobs).items():
        for item in lost_runs.claim_items(cloud, entry):
            if "holder" in item and item["started"] < clock.iso(before):
                buried += lost_runs.mark_lost(cloud, name, entry, item, "ended with the local cloud that it ran on")
    return buried
