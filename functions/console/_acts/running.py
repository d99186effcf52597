"""Start a run now, or apply a stored plan."""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import replace

from functions.console._acts.preview import ActRefused, Given, Preview
from functions.console._acts.target_check import check_target
from functions.console._view import View
from shared.admin import audit
from shared.advised_commands import option
from shared.aws.names import NO_TARGET
from shared.plans import plan as plans
from shared.run.apply_plan import firing_for
from shared.run.firing import Firing

Parameters = dict[str, str]


def preview_run(view: View, parameters: Parameters) -> Preview:
    name, entry = view.job(parameters.get("job", ""))
    target = parameters.get("target", "")
    if entry["queue"]:
        raise ActRefused(f"{name} is driven by its queue {entry['queue']}; send it a message.")
    check_target(view, name, entry, target)
    return Preview(
        title=f"Run {name} now",
        sentences=(
            "One run starts, through the gates, the lease and the pauses of any run.",
            "It does all that is due, as at a tick.",
        ),
        items=((f"{name} {target}".strip(), ""),),
        command=view.command(name, *(option("--target", target) if target else ())),
        verb="Run now",
    )


def run(view: View, parameters: Parameters, given: Given) -> str:
    name, _ = view.job(parameters["job"])
    target = parameters.get("target") or NO_TARGET
    # The same form is the same request, which starts one run however often it is sent.
    request = hashlib.sha256(f"{name}/{target}\n{given.form}".encode()).hexdigest()[:24]
    firing = Firing(name, view.now, target=target, id=request, manual=True, correlation_id=uuid.uuid4().hex)
    with audit.OperatorAuditEntry(view.cloud, "run", given.who, given.reason, {"job": name, "target": target}) as entry:
        _invoke(view, firing)
        entry.add(request)
    return f"{name} was started; its run appears on the job's page when it ends."


def preview_apply(view: View, parameters: Parameters) -> Preview:
    stored = plans.load(view.cloud, parameters.get("plan", ""))
    return Preview(
        title=f"Apply the plan {stored.id}",
        sentences=(
            f"It was made at {stored.made} by {stored.who}, of what was due by {stored.cutoff}.",
            "Exactly these actions are performed, or none if the rows have changed since.",
            *stored.lines(),
        ),
        items=((stored.id, f"{stored.digest} {stored.begun}"),),
        command=view.command("apply", stored.id),
        verb="Apply",
        danger=True,
        reason=True,
    )


def apply(view: View, parameters: Parameters, given: Given) -> str:
    stored = plans.load(view.cloud, parameters["plan"])
    firing = replace(firing_for(stored), correlation_id=uuid.uuid4().hex)
    scope = {"plan": stored.id, "job": stored.job}
    with audit.OperatorAuditEntry(view.cloud, "apply", given.who, given.reason, scope) as entry:
        _invoke(view, firing)
        entry.add(stored.id)
    return f"{stored.job} was started with the plan; the job's page shows whether it was applied or refused."


def _invoke(view: View, firing: Firing) -> None:
    view.cloud.functions.invoke(
        FunctionName=view.cloud.names.function(firing.job),
        InvocationType="Event",
        Payload=json.dumps({"firing": firing.data()}),
    )
