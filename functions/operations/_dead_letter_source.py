"""Identify a dead letter: job, reason and error of a message.

They follow from the envelope of the message, or from its queue.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from shared import clock
from shared.archetypes.consumer import Message
from shared.aws.names import Names
from shared.dead_letters.letter import SORT_KEY, UNKNOWN_JOB
from shared.job import manifest
from shared.messages import message_subject
from shared.text.timestamp import parse_timestamp
from shared.text.untrusted_json import InvalidJson, parse_json

TOO_OFTEN = "received too often"


def identify(names: Names, message: Message) -> dict[str, Any]:
    """Return job, reason, error and at of a dead letter.

    Also the fields of `Subject`, as far as they are known.

    letter: the sort key of the dead letter that was redriven, if this is the result; else empty. A job that does not
    exist is replaced by `unknown`: text from outside must not choose where things are stored.
    """
    body = message.body if isinstance(message.body, Mapping) else {}
    sent = clock.iso(datetime.fromtimestamp(message.sent / 1000, UTC))
    parsed = _own_envelope(body) or _lambda_envelope(names, body) or _firing(body) or _scheduled_event(names, body)
    letter = {"at": sent, **(parsed or {})}
    letter = {**_of_firing(letter.get("firing")), **letter}
    if not letter.keys() >= {"job", "reason", "error"}:
        source = message.queue.removeprefix(names.queue(""))
        letter |= {"job": _consumer(source), "reason": TOO_OFTEN, "error": f"received too often by {source}"}
    letter["at"] = _timestamp(letter["at"], sent)
    if letter["job"] not in manifest.load():
        letter |= {"error": f"of {letter['job']!r:.60}: {letter['error']}", "job": UNKNOWN_JOB}
    elif manifest.load()[letter["job"]]["queue"]:
        letter = {**_of_message(letter.get("event", message.body)), **letter}
    candidates = _redriven_candidates(body, letter, message)
    redriven = next((key for key in candidates if isinstance(key, str) and key), "")
    return letter | {"letter": redriven if SORT_KEY.fullmatch(redriven) else ""}


def _of_firing(firing: Any) -> dict[str, Any]:
    """Return target, attempt, first failure and correlation id of a firing."""
    if not isinstance(firing, Mapping):
        return {}
    names = {
        "entity": "target",
        "attempts": "attempt",
        "first_failed_at": "first_failed_at",
        "correlation_id": "correlation_id",
    }
    return {name: firing[own] for name, own in names.items() if firing.get(own)}


def _of_message(event: Any) -> dict[str, str]:
    """Return organization, entity and correlation id of a consumer's message."""
    body = event
    if isinstance(event, str):
        try:
            body = parse_json(event)
        except InvalidJson:
            return {}
    found = {
        "tenant": message_subject.tenant_of(body),
        "entity": message_subject.entity_of(body),
        "correlation_id": message_subject.correlation_of(body),
    }
    return {name: text for name, text in found.items() if text}


def _timestamp(value: Any, default: str) -> str:
    """Normalise a timestamp, since it becomes part of a key."""
    try:
        return clock.iso(parse_timestamp(value))
    except (TypeError, ValueError):
        return default


def _redriven_candidates(body: Mapping[str, Any], letter: Mapping[str, Any], message: Message) -> Iterator[Any]:
    yield message.letter
    yield letter.get("letter")
    started = body.get("requestPayload")
    for holder in (letter, started if isinstance(started, Mapping) else {}):
        firing = holder.get("firing")
        yield firing.get("letter") if isinstance(firing, Mapping) else None


def _own_envelope(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """Read the envelope that shared/run/send.py writes."""
    return dict(body["dead"]) if isinstance(body.get("dead"), Mapping) else None


def _lambda_envelope(names: Names, body: Mapping[str, Any]) -> dict[str, Any] | None:
    """Read the envelope of Lambda's on-failure destination.

    Dispatch could not handle the failure of this invocation.
    """
    context = body.get("requestContext")
    if not isinstance(context, Mapping):
        return None
    function = str(context.get("functionArn", "")).split(":function:")[-1].partition(":")[0]
    job = function.removeprefix(names.function(""))
    started = body.get("requestPayload")
    firing = started.get("firing") if isinstance(started, Mapping) else None
    error = "the failure of its invocation could not be handled"
    return {"job": job, "reason": TOO_OFTEN, "error": error, "firing": firing}


def _firing(body: Mapping[str, Any]) -> dict[str, Any] | None:
    firing = body.get("firing")
    if not isinstance(firing, Mapping) or not isinstance(firing.get("job"), str):
        return None
    error = firing.get("last_error") or "it could not be dispatched"
    return {"job": firing["job"], "reason": TOO_OFTEN, "error": error, "firing": dict(firing)}


def _scheduled_event(names: Names, body: Mapping[str, Any]) -> dict[str, Any] | None:
    """Read an event that EventBridge could not deliver.

    A rule has the job's name; the input of a schedule contains it.
    """
    if body.get("source") == "nightshift.schedule":
        job = str(body.get("job", UNKNOWN_JOB))
    elif body.get("source") == "aws.events" and body.get("resources"):
        rule = str(body["resources"][0]).rpartition("/")[2].removeprefix(names.of(""))
        job = rule if rule in manifest.load() else rule.rpartition("-")[0] or rule
    else:
        return None
    return {"job": job, "reason": "undeliverable", "error": f"the tick of {body.get('time')} could not be delivered"}


def _consumer(source: str) -> str:
    owners = {f"{entry['queue']}-dlq".replace(":", "-"): name for name, entry in manifest.load().items()}
    return owners.get(source, UNKNOWN_JOB)
