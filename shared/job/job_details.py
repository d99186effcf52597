"""Descriptions of all jobs as JSON, generated at synth for the console.

Apart from the manifest, which many functions ship: a changed text redeploys the console alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TypedDict

from shared.aws.permissions import Grant
from shared.job.definition import Job
from shared.job.setting import Setting

FILE = "job_details.json"
NO_PROOF = "No certificate is on record."


class SettingDetails(TypedDict):
    name: str
    meaning: str
    default: str
    #: As deployed; empty where the default is in force. Of a service outside only that it is set.
    deployed: str


class JobDetails(TypedDict):
    purpose: str
    #: Path of the module that declares it.
    source: str
    #: Why a repeated run does no harm.
    guarantee: str
    applicable: bool
    memory: int
    #: Days for which effects are remembered; 0 for a job without effects.
    effect_days: int
    settings: list[SettingDetails]
    #: Actions and resource of each grant.
    permissions: list[str]
    tags: list[str]
    #: Result of the injected crashes in one sentence.
    proof: str


def of(
    jobs: Iterable[Job], environment: Mapping[str, str], proofs: Mapping[str, str] = MappingProxyType({})
) -> dict[str, JobDetails]:
    """Details of each job by name.

    environment: has the settings as deployed. proofs: results of the injected crashes by job.
    """
    return {
        job.name: JobDetails(
            purpose=job.purpose(),
            source=job.origin or f"{job.module.replace('.', '/')}.py",
            guarantee=str(job.idempotency or ""),
            applicable=job.applicable,
            memory=job.memory,
            effect_days=job.effects.days if job.effects else 0,
            settings=[_setting(each, environment) for each in job.all_settings()],
            permissions=sorted({_grant(grant) for grant in job.grants()}),
            proof=proofs.get(job.name, NO_PROOF),
            tags=sorted(getattr(getattr(job, "declaration", None), "tags", ())),
        )
        for job in jobs
    }


@cache
def load() -> dict[str, JobDetails]:
    """Details of this bundle; of the registry in a checkout."""
    shipped = Path(__file__).resolve().parents[2] / FILE
    if shipped.exists():
        loaded: dict[str, JobDetails] = json.loads(shipped.read_text())
        return loaded
    from shared.job import registry

    return of(registry.discover().jobs.values(), {})


def _setting(each: Setting, environment: Mapping[str, str]) -> SettingDetails:
    text = environment.get(each.name, "").strip()
    # An address of a service outside may contain a key.
    deployed = "set" if text and each.external else text
    return SettingDetails(name=each.name, meaning=each.meaning, default=each.default, deployed=deployed)


def _grant(grant: Grant) -> str:
    rows = f" rows {', '.join(grant.keys)}" if grant.keys else ""
    return f"{'deny ' if grant.denied else ''}{', '.join(grant.actions)} on {grant.resource}{rows}"
