"""Check a target that a caller named.

A mistyped one must not fail a run.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from shared.job.definition import Job

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

# Targets that a refusal names.
NAMED = 10


def unknown_target(job: Job, target: str, cloud: Cloud) -> str:
    """Return why the job has no such target; empty if it has.

    By the settings in force here, which may be newer than the deployment. Raises SettingError.
    """
    targets = job.targets(cloud.environment)
    return job.missing_target(target, cloud) if targets is None else not_among(targets, job.name, target)


def not_among(targets: Collection[str], job: str, target: str) -> str:
    """Return why a target is not among these, else empty."""
    if target in targets:
        return ""
    hint = "it has none; leave the target out"
    if targets:
        more = f" and {len(targets) - NAMED} more" if len(targets) > NAMED else ""
        hint = f"it has {', '.join([*targets][:NAMED])}{more}"
    return f"{job} has no target {target!r:.80}; {hint}"
