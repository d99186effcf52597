"""Actions of the console: start a run, pause a job, resume it."""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import Any

from functions.console._models import ActionDone, Operator
from functions.console._problems import DRIVEN_BY_QUEUE, NOT_CHANGED
from shared.admin import pause as admin_pause
from shared.advised_commands import advised
from shared.aws.cloud import Cloud
from shared.aws.names import NO_TARGET
from shared.http.problem import Problem
from shared.job.declared_job import DeclaredJob
from shared.job.manifest import Entry
from shared.run import pauses
from shared.run.firing import Firing


def trigger(cloud: Cloud, name: str, entry: Entry, idempotency_key: str | None) -> ActionDone:
    """Start a run; the same idempotency key starts no second one."""
    if entry["queue"]:
        raise Problem(DRIVEN_BY_QUEUE, f"{entry['id']} is driven by its queue {entry['queue']!r}; send it a message")
    key = idempotency_key or uuid.uuid4().hex
    request = hashlib.sha256(f"{name}/{NO_TARGET}\n{key}".encode()).hexdigest()[:24]
    firing = Firing(name, cloud.clock.now(), id=request, manual=True, correlation_id=uuid.uuid4().hex)
    cloud.functions.invoke(
        FunctionName=cloud.names.function(name),
        InvocationType="Event",
        Payload=json.dumps({"firing": firing.data()}),
    )
    return ActionDone(ok=True, message=f"{entry['id']} was triggered", request=request)


def pause(cloud: Cloud, name: str, entry: Entry, by: Operator) -> ActionDone:
    return _change(cloud, name, entry, by, admin_pause.pause, "is paused; a current run continues to its end")


def resume(cloud: Cloud, name: str, entry: Entry, by: Operator) -> ActionDone:
    return _change(cloud, name, entry, by, admin_pause.resume, "is resumed", _budget_hint(cloud, name, entry))


def _change(
    cloud: Cloud, name: str, entry: Entry, by: Operator, change: Any, result: str, hint: str = ""
) -> ActionDone:
    try:
        change(cloud, DeclaredJob(name, entry), pauses.WHOLE, by.who, by.reason)
    except admin_pause.PauseRefused as error:
        raise Problem(NOT_CHANGED, f"{error}{hint}") from None
    return ActionDone(ok=True, message=f"{entry['id']} {result}{hint}")


def _budget_hint(cloud: Cloud, name: str, entry: Entry) -> str:
    """Hint for a job with a budget.

    The budget is declared in code that is not part of this function.
    """
    if not entry["budgeted"]:
        return ""
    stage = cloud.names.stage
    status, resume = advised(stage, "status"), advised(stage, "resume", name)
    return f"; its budget may still block it: `{status}` shows that and `{resume}` lifts it"
