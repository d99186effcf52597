"""What is done at a request: a run started, a job paused or resumed."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

from functions.console._errors import Refused
from shared.admin import pause as holding
from shared.advised_commands import advised
from shared.aws.cloud import Cloud
from shared.aws.names import NO_TARGET
from shared.job.manifest import Entry
from shared.run import pauses
from shared.run.firing import Firing

KEY = re.compile(r"[\x21-\x7e]{1,255}")
LONGEST = 200

Answered = tuple[int, dict[str, Any]]


def trigger(cloud: Cloud, name: str, entry: Entry, body: Mapping[str, Any], headers: Mapping[str, str]) -> Answered:
    """Start a run and do not wait for it; the same Idempotency-Key starts none a second time."""
    _known(body, ())
    if entry["queue"]:
        raise Refused(409, f"{entry['id']} is driven by its queue {entry['queue']!r}; send it a message")
    key = headers.get("idempotency-key")
    if key is not None and not KEY.fullmatch(key):
        raise Refused(400, "Idempotency-Key is 1 to 255 visible ASCII characters")
    identity = hashlib.sha256(f"{name}/{NO_TARGET}\n{key or uuid.uuid4().hex}".encode()).hexdigest()[:24]
    firing = Firing(name, cloud.clock.now(), id=identity, manual=True, correlation_id=uuid.uuid4().hex)
    cloud.functions.invoke(
        FunctionName=cloud.names.function(name),
        InvocationType="Event",
        Payload=json.dumps({"firing": firing.data()}),
    )
    return 202, {"ok": True, "message": f"{entry['id']} was triggered", "request": identity}


def pause(cloud: Cloud, name: str, entry: Entry, body: Mapping[str, Any], _: Mapping[str, str]) -> Answered:
    return _held(cloud, name, entry, body, holding.pause, "is paused; what is at work now goes on to its end")


def resume(cloud: Cloud, name: str, entry: Entry, body: Mapping[str, Any], _: Mapping[str, str]) -> Answered:
    return _held(cloud, name, entry, body, holding.resume, "goes on", _budget(cloud, name, entry))


def _held(
    cloud: Cloud, name: str, entry: Entry, body: Mapping[str, Any], deed: Any, done: str, hint: str = ""
) -> Answered:
    _known(body, ("who", "reason"))
    who, why = body.get("who", "the API"), body.get("reason", "by a request that gave no reason")
    if not all(isinstance(text, str) and 0 < len(text.strip()) <= LONGEST for text in (who, why)):
        raise Refused(400, f"who and reason are texts of 1 to {LONGEST} characters")
    try:
        deed(cloud, _job(name, entry), pauses.WHOLE, who, why)
    except holding.PauseRefused as error:
        raise Refused(409, f"{error}{hint}") from None
    return 200, {"ok": True, "message": f"{entry['id']} {done}{hint}"}


def _budget(cloud: Cloud, name: str, entry: Entry) -> str:
    """What is said of a job whose code alone knows its budget."""
    if not entry["budgeted"]:
        return ""
    stage = cloud.names.stage
    status, resume = advised(stage, "status"), advised(stage, "resume", name)
    return f"; its budget may hold it all the same, which `{status}` says and `{resume}` lifts"


def _job(name: str, entry: Entry) -> Any:
    """All of a job that pausing it asks for: its code is not here."""
    asked = ("key", "shards", "lease_per_target", "collector")
    told = cast(Mapping[str, Any], entry)
    return SimpleNamespace(name=name, allowance=lambda _: None, **{field: told[field] for field in asked})


def _known(body: Mapping[str, Any], names: tuple[str, ...]) -> None:
    if unknown := body.keys() - set(names):
        has = f"only {', '.join(names)}" if names else "nothing"
        raise Refused(400, f"the body may say {has}, and not {', '.join(sorted(unknown))}")
