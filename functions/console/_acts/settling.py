"""Settle an effect whose outcome is unknown."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

from functions.console._acts.preview import ActRefused, Given, Preview
from functions.console._view import View
from shared.admin import effects
from shared.job import job_details
from shared.job.declared_job import DeclaredJob
from shared.job.definition import Job
from shared.job.effect import Confirmed, NotDone

Parameters = dict[str, str]
VERDICTS = {
    "done": ("It was performed", "The effect counts as performed, and no run performs it again."),
    "redo": ("Perform it again", "The next run that needs the effect performs it."),
}


def preview(view: View, parameters: Parameters) -> Preview:
    name, _ = view.job(parameters.get("job", ""))
    key, verdict = parameters.get("key", ""), parameters.get("verdict", "")
    if verdict not in VERDICTS:
        raise ActRefused("Say whether the effect was performed.")
    found = next((each for each in effects.uncertain_effects(view.cloud, name) if each["key"] == key), None)
    if found is None:
        raise ActRefused(f"{name} has no uncertain effect {key!r}; it may have been settled.")
    title, consequence = VERDICTS[verdict]
    return Preview(
        title=f"{title}: {key}",
        sentences=(f"Begun at {found.get('begun', '')} by run {found.get('run', '')} of {name}.", consequence),
        items=((key, f"{found.get('begun')} {found.get('run')} {found.get('since')}"),),
        command=view.command("effects", name, verdict, key, "--reason", "WHY"),
        verb=title,
        tenants=(str(found["tenant"]),) if found.get("tenant") else (),
        reason=True,
    )


def settle(view: View, parameters: Parameters, given: Given) -> str:
    name, entry = view.job(parameters["job"])
    days = job_details.load()[name]["effect_days"]
    declared: Any = DeclaredJob(name, entry, timedelta(days=days))
    outcome = Confirmed(None) if parameters["verdict"] == "done" else NotDone()
    effects.resolve_manually(view.cloud, cast(Job, declared), parameters["key"], outcome, given.who, given.reason)
    return f"The effect {parameters['key']} of {name} is settled: {VERDICTS[parameters['verdict']][0].lower()}."
