"""The queue `firings` carries all that is not a fresh tick; this function hands each to its job.

It is also where a run that died comes back to, through Lambda's on-failure destination.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shared import clock
from shared.archetypes.consumer import Consumer, Defer, Message
from shared.aws.names import DEAD, FIRINGS, STATE
from shared.aws.permissions import invoke_jobs, read_rows, send, write_rows
from shared.job import manifest
from shared.job.idempotency import keyed
from shared.job.manifest import Entry
from shared.job.outcome import Rejected
from shared.job.retry import NO_RETRY
from shared.run import firing, lost_runs
from shared.run import send as firings
from shared.run.context import RunContext
from shared.run.firing import Firing

# The queue gives a message up after 5 receives; one is kept for the delivery that counts.
MOST_PUT_OFFS = 3
NEVER_RAN = "EventAgeExceeded"


class Dispatch(Consumer):
    """Start jobs for retries, continuations, shards and deaths, each when it is due."""

    queue = FIRINGS
    dead_letter_queue = DEAD
    timeout = 60
    retry = NO_RETRY
    idempotency = keyed("the claim of the job it starts knows position and attempt; a second start is deduplicated")
    permissions = (invoke_jobs(), read_rows(STATE, "*"), write_rows(STATE, "*"), send(DEAD))
    needs_manifest = True

    def handle(self, run: RunContext, message: Message) -> None:
        body = message.body
        if isinstance(body, Mapping) and "firing" in body:
            self.start(run, message, firing.firing(body["firing"], run.cloud.clock.now()))
        elif isinstance(body, Mapping) and "requestContext" in body:
            self.died(run, message, body)
        else:
            raise Rejected(f"neither a firing nor the end of an invocation: {body!s:.120}")

    def start(self, run: RunContext, message: Message, firing: Firing) -> None:
        entry = _entry(firing.job)
        if not firing.fresh and message.receives <= MOST_PUT_OFFS:
            held = lost_runs.claim_item(run.cloud, entry, firing.target)
            left = (held.get("lease_until", 0) - clock.milliseconds(run.cloud.clock.now())) / 1000
            if left > 0:
                # Neither acknowledged nor counted: it stays in its queue until the lease must be over.
                raise Defer(left + 1)
        invoke(run, firing)

    def died(self, run: RunContext, message: Message, envelope: Mapping[str, Any]) -> None:
        """A timeout, a crash, no memory left. Its attempt is counted here, since it could not do so itself."""
        name, request, condition, note = _death(run, envelope)
        entry = _entry(name)
        firing = _fired(run, name, note, envelope)
        if firing is None:
            return
        if condition == NEVER_RAN:
            invoke(run, firing.deferred())
            return
        onward = lost_runs.next_attempt(run.cloud, run.log, name, entry, firing, request, note)
        if onward is None:
            return
        delay = manifest.policy(entry).delay(firing.attempt) or 0
        wait = delay - (run.cloud.clock.now() - _ended(run, message, envelope)).total_seconds()
        if wait > 0 and message.receives <= MOST_PUT_OFFS:
            raise Defer(wait)
        invoke(run, onward)


def invoke(run: RunContext, firing: Firing) -> None:
    """Start the job asynchronously, so that its own death comes back here."""
    run.cloud.functions.invoke(
        FunctionName=run.cloud.names.function(firing.job),
        InvocationType="Event",
        Payload=json.dumps({"firing": firing.data()}),
    )
    run.log.info("dispatched", started=firing.job, attempt=firing.attempt, part=firing.part, target=firing.target)


def _entry(name: str) -> Entry:
    known = manifest.load()
    if name not in known:
        raise Rejected(f"there is no job {name!r}; was it renamed or removed?")
    return known[name]


def _death(run: RunContext, envelope: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """Job, request id, condition and a sentence, from what Lambda sends to an on-failure destination."""
    context = envelope["requestContext"]
    function = str(context.get("functionArn", "")).split(":function:")[-1].partition(":")[0]
    prefix = run.cloud.names.function("")
    if not function.startswith(prefix):
        raise Rejected(f"the end of an invocation of {function!r}, which is none of ours")
    answer = envelope.get("responsePayload")
    said = answer if isinstance(answer, Mapping) else {}
    note = (
        f"{said.get('errorType') or 'died'}: {said.get('errorMessage') or context.get('condition', 'no reason given')}"
    )
    return function.removeprefix(prefix), str(context.get("requestId", "")), str(context.get("condition", "")), note


def _fired(run: RunContext, name: str, note: str, envelope: Mapping[str, Any]) -> Firing | None:
    """What the dead run was started for; None, and a dead letter, where that cannot be read."""
    received = envelope.get("requestPayload")
    try:
        fired = firing.parse(name, received, run.cloud.clock.now())
    except firing.MalformedEvent as error:
        firings.send_dead_letter_for_event(run.cloud, name, "malformed event", f"{note}; {error}", received)
        return None
    return fired if isinstance(fired, Firing) else None


def _ended(run: RunContext, message: Message, envelope: Mapping[str, Any]) -> datetime:
    try:
        return clock.parse(str(envelope["timestamp"]))
    except (KeyError, ValueError):
        return datetime.fromtimestamp(message.sent / 1000, run.cloud.clock.now().tzinfo)
