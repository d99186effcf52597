"""Whose dead letter it is: by the first envelope that says so, and else by the queue it came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from shared import clock
from shared.archetypes.consumer import Message
from shared.aws.names import Names
from shared.dead_letters.letter import SORT_KEY, UNKNOWN_JOB
from shared.job import manifest

TOO_OFTEN = "received too often"


def identify(names: Names, message: Message) -> dict[str, Any]:
    """job, reason, error and at, with firing, run, attempts and first_failed_at where they are known.

    letter: the sort key of an earlier letter, where this is what came of sending that again; else empty.
    A name that no job has becomes `unknown`: what comes from outside must not choose where things are stored.
    """
    body = message.body if isinstance(message.body, Mapping) else {}
    sent = clock.iso(datetime.fromtimestamp(message.sent / 1000, UTC))
    letter = {"at": sent, **(_own(body) or _death(names, body) or _firing(body) or _tick(names, body) or {})}
    if not letter.keys() >= {"job", "reason", "error"}:
        source = message.queue.removeprefix(names.queue(""))
        letter |= {"job": _consumer(source), "reason": TOO_OFTEN, "error": f"given up by {source}"}
    letter["at"] = _instant(letter["at"], sent)
    if letter["job"] not in manifest.load():
        letter |= {"error": f"of {letter['job']!r:.60}: {letter['error']}", "job": UNKNOWN_JOB}
    earlier = next((given for given in _earlier(body, letter, message) if isinstance(given, str) and given), "")
    return letter | {"letter": earlier if SORT_KEY.fullmatch(earlier) else ""}


def _instant(given: Any, sent: str) -> str:
    """As `clock.iso` writes it: it becomes a key."""
    try:
        return clock.iso(clock.parse(given))
    except (TypeError, ValueError):
        return sent


def _earlier(body: Mapping[str, Any], letter: Mapping[str, Any], message: Message) -> Iterator[Any]:
    yield message.letter
    yield letter.get("letter")
    started = body.get("requestPayload")
    for holder in (letter, started if isinstance(started, Mapping) else {}):
        firing = holder.get("firing")
        yield firing.get("letter") if isinstance(firing, Mapping) else None


def _own(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """As `run` and `dispatch` write them."""
    return dict(body["dead"]) if isinstance(body.get("dead"), Mapping) else None


def _death(names: Names, body: Mapping[str, Any]) -> dict[str, Any] | None:
    """The end of an invocation, from Lambda's on-failure destination, that dispatch could not handle."""
    context = body.get("requestContext")
    if not isinstance(context, Mapping):
        return None
    function = str(context.get("functionArn", "")).split(":function:")[-1].partition(":")[0]
    job = function.removeprefix(names.function(""))
    return {"job": job, "reason": TOO_OFTEN, "error": "its end could not be handled"}


def _firing(body: Mapping[str, Any]) -> dict[str, Any] | None:
    firing = body.get("firing")
    if not isinstance(firing, Mapping) or not isinstance(firing.get("job"), str):
        return None
    error = firing.get("last_error") or "it could not be dispatched"
    return {"job": firing["job"], "reason": TOO_OFTEN, "error": error, "firing": dict(firing)}


def _tick(names: Names, body: Mapping[str, Any]) -> dict[str, Any] | None:
    """An event that EventBridge could not deliver: a rule is named like its job, a schedule's input says it."""
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
