"""Arguments that name a job, one of its targets or a tick.

Resolved, or refused with a suggestion.
"""

from __future__ import annotations

import difflib
from datetime import datetime

from cli import declared_jobs, registered_jobs
from cli.commands import COMMANDS
from cli.exit_codes import CommandError, Exit
from shared.aws.cloud import Cloud
from shared.aws.names import NO_TARGET
from shared.dead_letters import store
from shared.dead_letters.letter import UNKNOWN_JOB
from shared.http import sites
from shared.job import registry
from shared.job.declared_job import DeclaredJob
from shared.job.definition import Job
from shared.job.registry import UnknownJob
from shared.job.setting import BASE_URLS
from shared.run.target_check import not_among, unknown_target
from shared.store import keys, table
from shared.tables import STATE


def find_job(name: str) -> Job:
    """The job of that name or id.

    Raises UnknownJob, which suggests the nearest job, or CommandError for a command.
    """
    if found := registered_jobs.find(name):
        return found
    jobs = registered_jobs.jobs()
    if (named := registry.name_of(name, jobs)) in jobs:
        return jobs[named]
    if error := registered_jobs.fault(name):
        raise error
    near = difflib.get_close_matches(name, [*jobs, *COMMANDS], n=1)
    if near and near[0] in COMMANDS:
        raise CommandError(Exit.WRONG_USE, f"there is no job and no command {name!r}; did you mean {near[0]!r}?")
    raise UnknownJob(name, list(jobs))


def find_declared(name: str) -> DeclaredJob:
    """The job of that name or id without its code.

    Raises UnknownJob and CommandError like `find_job`.
    """
    known = declared_jobs.jobs()
    return known[declared_jobs.name_of(name, declared_jobs.read()) or find_job(name).name]


def find_job_with_dead_letters(name: str, cloud: Cloud) -> str:
    """The name of a job that exists or has dead letters.

    Raises UnknownJob.
    """
    known = (*registered_jobs.jobs(), UNKNOWN_JOB, *store.jobs_with_dead_letters(cloud))
    return name if name in known else find_job(name).name


def find_target(job: Job, target: str | None, cloud: Cloud | None = None) -> str:
    """The target of that name, NO_TARGET for None.

    cloud: has the items whose names are targets of a job `by_name` (default: any name is one of its targets). Raises
    CommandError for a target that the job does not have.
    """
    if target is None:
        return NO_TARGET
    if cloud is not None:
        why = unknown_target(job, target, cloud)
    else:
        targets = job.targets()
        why = "" if targets is None else not_among(targets, job.name, target)
    if why:
        raise CommandError(Exit.WRONG_USE, why)
    return target


def find_host(job: Job, host: str, cloud: Cloud) -> str:
    """The host that BASE_URLS names, or that has a status.

    A host may have been removed from BASE_URLS since; its rows still exist. Raises CommandError with the nearest.
    """
    rows = table.query(cloud, STATE, "pk = :pk", {":pk": keys.claims(job.key)})
    known = {*sites.parse(BASE_URLS.read()).hosts, *(str(row["sk"]) for row in rows)} - {NO_TARGET}
    if host in known:
        return host
    near = difflib.get_close_matches(host, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(sorted(known)) or 'had none yet'}"
    raise CommandError(Exit.WRONG_USE, f"{job.name} has no target {host!r}; {hint}")


def next_tick(job: Job, now: datetime) -> datetime | None:
    """The next tick of any of the job's schedules.

    None without a schedule.
    """
    return min((next(schedule.after(now)) for schedule in job.schedules()), default=None)
