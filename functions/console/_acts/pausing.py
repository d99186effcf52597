"""Pause and resume jobs, targets and tenants."""

from __future__ import annotations

from typing import Any, cast

from functions.console._acts.item_results import ItemResults
from functions.console._acts.preview import ActRefused, Given, Preview
from functions.console._acts.target_check import check_target
from functions.console._view import View
from shared.admin import pause as admin_pause
from shared.advised_commands import option
from shared.dead_letters.letter import RETENTION
from shared.job.declared_job import DeclaredJob
from shared.job.definition import Job
from shared.run import pauses
from shared.run.pauses import Pause
from shared.store import failure_index, keys, table
from shared.tables import STATE
from shared.text.human import counted

Parameters = dict[str, str]
CONTINUES = "A current run continues to its end; skipped ticks are done by the first tick after the pause."


def preview_pause(view: View, parameters: Parameters) -> Preview:
    job, of, version, before = _read(view, parameters)
    if of in before:
        raise ActRefused(f"{before[of].sentence}. Nothing is to be done.")
    if parameters.get("tenant") and not job.queue:
        raise ActRefused(f"{job.name} has no tenants, so nothing would be held.")
    check_target(view, job.name, view.entries[job.name], parameters.get("target", ""))
    subject = Pause(job.name, of, "").subject
    return Preview(
        title=f"Pause {subject}",
        sentences=(
            f"{subject} starts no run until it is resumed, or until the end of the pause.",
            CONTINUES,
            *_unknown_tenant(view, parameters.get("tenant", "")),
        ),
        items=((subject, version),),
        command=view.command("pause", job.name, *_options(parameters), "--reason", "WHY"),
        verb="Pause",
        until=True,
        reason=True,
    )


def pause(view: View, parameters: Parameters, given: Given) -> str:
    job, of, _, _ = _read(view, parameters)
    done = admin_pause.pause(view.cloud, job, of, given.who, given.reason, given.until)
    return f"{done.sentence}."


def preview_resume(view: View, parameters: Parameters) -> Preview:
    job, of, version, before = _read(view, parameters)
    subject = Pause(job.name, of, "").subject
    was = (f"Now: {before[of].sentence}.",) if of in before else ("No operator has paused it; a budget may hold it.",)
    return Preview(
        title=f"Resume {subject}",
        sentences=(*was, f"{subject} runs again from its next tick on."),
        items=((subject, version),),
        command=view.command("resume", job.name, *_options(parameters), "--reason", "WHY"),
        verb="Resume",
        reason=True,
    )


def resume(view: View, parameters: Parameters, given: Given) -> str:
    job, of, _, _ = _read(view, parameters)
    done = admin_pause.resume(view.cloud, job, of, given.who, given.reason)
    hold = f"; {done.budget_hold}" if done.budget_hold else ""
    return f"{done.subject} is resumed{hold}."


def preview_pause_tenant(view: View, parameters: Parameters) -> Preview:
    tenant = _tenant(parameters)
    jobs = [name for name, found in _of_tenant(view, tenant).items() if found is None]
    if not jobs:
        raise ActRefused(f"{tenant} is paused in every job already.")
    return Preview(
        title=f"Pause {tenant} everywhere",
        sentences=(
            f"{counted(len(jobs), 'consumer')} put its messages off and go on with those of other tenants.",
            *_unknown_tenant(view, tenant),
        ),
        items=tuple((name, "not paused") for name in jobs),
        command=view.command("pause", *option("--tenant", tenant), "--reason", "WHY"),
        verb="Pause everywhere",
        tenants=(tenant,),
        until=True,
        reason=True,
    )


def pause_tenant(view: View, parameters: Parameters, given: Given) -> str:
    tenant = _tenant(parameters)
    of, results = pauses.part(tenant=tenant), ItemResults()
    for name, found in _of_tenant(view, tenant).items():
        if found is None:
            with results.item(name):
                admin_pause.pause(view.cloud, _job(view, name), of, given.who, given.reason, given.until)
    return results.answer(f"{tenant} is paused in {counted(results.done, 'job')}")


def preview_resume_tenant(view: View, parameters: Parameters) -> Preview:
    tenant = _tenant(parameters)
    paused = {name: found for name, found in _of_tenant(view, tenant).items() if found is not None}
    if not paused:
        raise ActRefused(f"{tenant} is paused in no job.")
    return Preview(
        title=f"Resume {tenant} everywhere",
        sentences=("Its messages that were put off are handled again.",),
        items=tuple((name, found.since) for name, found in paused.items()),
        command=view.command("resume", *option("--tenant", tenant), "--reason", "WHY"),
        verb="Resume everywhere",
        tenants=(tenant,),
        reason=True,
    )


def resume_tenant(view: View, parameters: Parameters, given: Given) -> str:
    tenant = _tenant(parameters)
    of, results = pauses.part(tenant=tenant), ItemResults()
    for name, found in _of_tenant(view, tenant).items():
        if found is not None:
            with results.item(name):
                admin_pause.resume(view.cloud, _job(view, name), of, given.who, given.reason)
    return results.answer(f"{tenant} is resumed in {counted(results.done, 'job')}")


def _read(view: View, parameters: Parameters) -> tuple[Job, str, str, dict[str, Pause]]:
    """The job, the part, its version, and the pauses in force."""
    name, _ = view.job(parameters.get("job", ""))
    job = _job(view, name)
    of = pauses.part(parameters.get("target"), parameters.get("tenant"))
    rows = table.query(view.cloud, STATE, "pk = :pk", {":pk": keys.claims(job.key)}, ConsistentRead=True)
    items = {row["sk"]: row for row in rows}
    before = pauses.in_force(view.cloud, name, items)
    own = before.get(of)
    return job, of, f"{own.since} {own.text}" if own else "not paused", before


def _of_tenant(view: View, tenant: str) -> dict[str, Pause | None]:
    """The pause of the tenant in each consumer."""
    of = pauses.part(tenant=tenant)
    consumers = [name for name, entry in sorted(view.entries.items()) if entry["queue"] and not entry["collector"]]
    return {name: pauses.read(view.cloud, name).get(of) for name in consumers}


def _job(view: View, name: str) -> Job:
    declared: Any = DeclaredJob(name, view.entries[name])
    return cast(Job, declared)


def _tenant(parameters: Parameters) -> str:
    if not parameters.get("tenant"):
        raise ActRefused("Name the organization.")
    return parameters["tenant"]


def _unknown_tenant(view: View, tenant: str) -> tuple[str, ...]:
    """Warn of an organization without any row in the failure index.

    No refusal: messages name their organization, and one may be paused before its first.
    """
    if not tenant or any(failure_index.of_tenant(view.cloud, tenant, view.now - RETENTION, 1)):
        return ()
    return (f"Nothing of {tenant} is on record here: no failure, dead letter or uncertain effect. Check its id.",)


def _options(parameters: Parameters) -> list[str]:
    return [
        word for name in ("target", "tenant") if parameters.get(name) for word in option(f"--{name}", parameters[name])
    ]
