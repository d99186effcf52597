"""The consumer of the queue `firings`.

Every sender of a firing and Lambda's on-failure destination use this queue.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from shared import clock
from shared.archetypes.consumer import Consumer, Defer, Message
from shared.aws.names import DEAD, FIRINGS
from shared.job import (
    NO_RETRY,
    Rejected,
    RunContext,
    invoke_jobs,
    keyed,
    manifest,
    permissions,
    read_rows,
    tables,
    write_rows,
)
from shared.job.manifest import Entry
from shared.run import firing, lost_runs, send
from shared.run.firing import Firing
from shared.text.timestamp import parse_timestamp

# The queue allows 5 receives; the last one must start the job or handle the failure.
MAX_DEFERRALS = 3
NEVER_RAN = "EventAgeExceeded"
# Seconds until an event is sent again that its function did not receive, about an hour in all. A function with a
# reserved concurrency of 0 returns each event at once: without a delay, it would circle for as long as that lasts.
NEVER_RAN_DELAYS = (60, 120, 240, 480, 900, 900, 900)


class Dispatch(Consumer):
    """Start retries, continuations and shards when due; handle interrupted runs."""

    queue = FIRINGS
    dead_letter_queue = DEAD
    timeout = 60
    retry = NO_RETRY
    idempotency = keyed("the claim of the started job has position and attempt; a second start is deduplicated")
    permissions = (
        invoke_jobs(),
        permissions.read_job_settings(),
        read_rows(tables.STATE.name, "*"),
        write_rows(tables.STATE.name, "*"),
        permissions.send(DEAD),
    )
    needs_manifest = True

    def handle(self, run: RunContext, message: Message) -> None:
        body = message.body
        if isinstance(body, Mapping) and "firing" in body:
            self.start(run, message, firing.parse_firing(body["firing"], run.cloud.clock.now()))
        elif isinstance(body, Mapping) and "requestContext" in body:
            self.interrupted(run, message, body)
        else:
            raise Rejected(f"neither a firing nor the failure of an invocation: {body!s:.120}")

    def start(self, run: RunContext, message: Message, firing: Firing) -> None:
        entry = _entry(firing.job)
        if send.deferred_again(run.cloud, firing):
            return
        if not firing.fresh and message.receives <= MAX_DEFERRALS:
            claim = lost_runs.claim_item(run.cloud, entry, firing.target)
            left = (claim.get("lease_until", 0) - clock.milliseconds(run.cloud.clock.now())) / 1000
            if left > 0:
                # Deferred, which costs no attempt. First for a moment: the sender of a continuation, or of a retry, is
                # about to release the lease. Then until the lease has expired.
                raise Defer(left + 1 if message.receives > 1 else min(left + 1, send.SHORT_DEFERRAL))
        invoke(run, firing)

    def interrupted(self, run: RunContext, message: Message, envelope: Mapping[str, Any]) -> None:
        """Count the attempt of an interrupted run, and start the next.

        A timeout, a crash or a lack of memory ended it.
        """
        name, request, condition, note = _failure(run, envelope)
        entry = _entry(name)
        firing = _fired(run, name, note, envelope)
        if firing is None:
            return
        if condition == NEVER_RAN:
            never_ran(run, firing, note)
            return
        retry = lost_runs.next_attempt(run.cloud, run.log, name, entry, firing, request, note)
        if retry is None:
            return
        delay = manifest.policy(entry).delay(firing.attempt) or 0
        wait = delay - (run.cloud.clock.now() - _ended(run, message, envelope)).total_seconds()
        if wait > 0 and message.receives <= MAX_DEFERRALS:
            raise Defer(wait)
        invoke(run, retry)


def never_ran(run: RunContext, firing: Firing, note: str) -> None:
    """Send an event again that its function did not receive.

    It costs no attempt."""
    if firing.deferrals < len(NEVER_RAN_DELAYS):
        later = replace(firing, deferrals=firing.deferrals + 1)
        send.send(run.cloud, later, NEVER_RAN_DELAYS[firing.deferrals], new_trace=True)
    elif firing.fresh and not firing.manual and not firing.letter:
        # The reconciler records the tick as missed, and starts one run for all that were.
        run.log.error("tick_never_ran", started=firing.job, tick=firing.position, error=note)
    else:
        send.send_dead_letter(run.cloud, firing, "", "its function did not receive it for an hour", note)


def invoke(run: RunContext, firing: Firing) -> None:
    """Start the job asynchronously.

    Then Lambda sends the failure of its invocation to this queue.
    """
    run.cloud.functions.invoke(
        FunctionName=run.cloud.names.function(firing.job),
        InvocationType="Event",
        Payload=json.dumps({"firing": firing.data()}),
    )
    run.log.info("dispatched", started=firing.job, attempt=firing.attempt, part=firing.part, target=firing.target)


def _entry(name: str) -> Entry:
    entries = manifest.load()
    if name not in entries:
        raise Rejected(f"there is no job {name!r}; was it renamed or removed?")
    return entries[name]


def _failure(run: RunContext, envelope: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """Parse the envelope of Lambda's on-failure destination.

    Returns job, request id, condition and a note.
    """
    context = envelope["requestContext"]
    function = str(context.get("functionArn", "")).split(":function:")[-1].partition(":")[0]
    prefix = run.cloud.names.function("")
    if not function.startswith(prefix):
        raise Rejected(f"the failure of an invocation of {function!r}, which is not a job of this deployment")
    payload = envelope.get("responsePayload")
    response = payload if isinstance(payload, Mapping) else {}
    condition = str(context.get("condition", ""))
    message = response.get("errorMessage") or context.get("condition", "no reason given")
    note = f"{response.get('errorType') or 'interrupted'}: {message}"
    return function.removeprefix(prefix), str(context.get("requestId", "")), condition, note


def _fired(run: RunContext, name: str, note: str, envelope: Mapping[str, Any]) -> Firing | None:
    """Return the firing of the interrupted run.

    If it cannot be parsed, a dead letter is sent and None returned.
    """
    event = envelope.get("requestPayload")
    try:
        fired = firing.parse(name, event, run.cloud.clock.now())
    except firing.MalformedEvent as error:
        send.send_dead_letter_for_event(run.cloud, name, "malformed event", f"{note}; {error}", event)
        return None
    return fired if isinstance(fired, Firing) else None


def _ended(run: RunContext, message: Message, envelope: Mapping[str, Any]) -> datetime:
    try:
        return parse_timestamp(str(envelope["timestamp"]))
    except (KeyError, ValueError):
        return datetime.fromtimestamp(message.sent / 1000, run.cloud.clock.now().tzinfo)
