"""Sending a dead letter again: through the same queue and the same gates as any run, with all its attempts anew.

The row says what comes of it. It is `retrying` before anything is sent, so that two operators do not send twice; the
run that serves it writes `resolved`; another death makes it `dead` again. Where nothing is heard of it by `retryEnds`,
since a process died in between, it may be sent once more.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.admin import audit
from shared.advised_commands import advised
from shared.aws import attributes
from shared.aws.cloud import undone
from shared.aws.names import STATE
from shared.dead_letters import store
from shared.dead_letters.letter import (
    DEAD,
    MESSAGE_ATTRIBUTE,
    RECEIVES,
    RESOLVED,
    RETRYING,
    VISIBILITY,
    DeadLetter,
    DeadLetterRefused,
    RedriveInProgress,
    row_key,
)
from shared.dead_letters.letter import unchanged as as_read
from shared.job import manifest
from shared.job.manifest import Entry
from shared.job.retry import JITTER
from shared.run import firing, lost_runs, redriven
from shared.run import send as firings
from shared.run.claim import LEASE_MARGIN
from shared.run.firing import Firing, MalformedEvent

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

# Lambda invocations until the run: dispatch, then the job.
HOP = 2
# A turn has three digits, the last of them for attempts.
MAX_REDRIVES = 99
# Seconds that queues, dispatch and cold starts take on top.
OVERHEAD = 120


@dataclass(frozen=True, slots=True)
class PreparedRedrive:
    """All that was read and checked: a firing, or the body of a consumer's message."""

    dead_letter: DeadLetter
    entry: Entry
    payload: Firing | str


def time_limit(entry: Entry) -> timedelta:
    """By when something must have come of a letter that is sent again: all its attempts, each as late as it may be."""
    if entry["queue"]:
        return timedelta(seconds=RECEIVES * VISIBILITY * entry["timeout"] + OVERHEAD)
    delays = entry["delays"]
    runs = (len(delays) + 1) * (entry["timeout"] + LEASE_MARGIN)
    return timedelta(seconds=sum(delays) * (1 + JITTER) + runs + OVERHEAD)


def prepare(cloud: Cloud, letter: DeadLetter) -> PreparedRedrive:
    """What would be sent. Reads only. Raises DeadLetterRefused, and RedriveInProgress where it is on its way already."""
    now = clock.iso(cloud.clock.now())
    if letter.state == RESOLVED:
        raise DeadLetterRefused(f"dead letter {letter.id} is resolved, by run {letter.row.get('resolvedBy') or '-'}")
    if letter.is_retrying(now):
        raise RedriveInProgress(
            f"dead letter {letter.id} was sent again by {letter.retried_by} at {letter.row['retriedAt']}; "
            f"if nothing comes of it by {letter.retry_ends}, it can be sent once more"
        )
    entry = manifest.load().get(letter.job)
    if entry is None:
        purging = advised(cloud.names.stage, "dead", "purge", letter.job)
        raise DeadLetterRefused(
            f"dead letter {letter.id} is of {letter.job!r}, and there is no such job; if it was renamed or removed, "
            f"`{purging}` throws its letters away"
        )
    content = store.read_payload(cloud, letter)
    what = _message(letter, content) if entry["queue"] else _firing(cloud, letter, entry, content)
    return PreparedRedrive(letter, entry, what)


def send(cloud: Cloud, made: PreparedRedrive, who: str) -> str:
    """Mark it as on its way, then send it; the instant by which something must have come of it.

    In that order: a crash in between leaves a letter that is free again after that instant; the other order could send
    it twice. Raises RedriveInProgress.
    """
    nonce = secrets.token_hex(8)
    until = clock.iso(cloud.clock.now() + time_limit(made.entry))
    _claim(cloud, made.dead_letter, who, until, nonce)
    try:
        _send(cloud, made)
    except Exception as error:
        # After a timeout, say, nobody knows whether it was sent, and it stays marked.
        if undone(error):
            mine = {":dead": DEAD, ":mine": nonce}
            redriven.change_state(cloud, made.dead_letter.job, made.dead_letter.key, "SET #state = :dead", mine, "retry = :mine")
        raise
    return until


def redrive_one(cloud: Cloud, beginning: str, who: str, reason: str) -> tuple[DeadLetter, str]:
    """Send the letter again whose id begins so; it, as it was, and the instant by which something must have come of it.

    Raises UnknownDeadLetter and DeadLetterRefused, before anything is sent.
    """
    letter = store.find(cloud, beginning)
    made = prepare(cloud, letter)
    scope = {"id": letter.id, "job": letter.job}
    with audit.OperatorAuditEntry(cloud, "dead retry", who, reason or "no reason was given", scope) as written:
        until = send(cloud, made, who)
        written.add(letter.id)
    return letter, until


def wait_for_result(cloud: Cloud, letter: DeadLetter, until: datetime) -> DeadLetter | None:
    """The letter once something came of it, or as it is at that instant; None where it is gone."""
    pause = 0.2
    while True:
        found = store.read(cloud, [(letter.job, letter.key)]).get((letter.job, letter.key))
        if found is None or found.state != RETRYING or cloud.clock.now() > until:
            return found
        cloud.clock.sleep(pause)
        pause = min(pause * 1.5, 2.0)


def _send(cloud: Cloud, made: PreparedRedrive) -> None:
    if isinstance(made.payload, Firing):
        firings.send(cloud, made.payload)
        return
    cloud.sqs.send_message(
        QueueUrl=cloud.names.queue_url(made.entry["queue"] or ""),
        MessageBody=made.payload,
        MessageAttributes={MESSAGE_ATTRIBUTE: {"DataType": "String", "StringValue": made.dead_letter.key}},
    )


def _claim(cloud: Cloud, letter: DeadLetter, who: str, until: str, nonce: str) -> None:
    unchanged, names, values = as_read(letter)
    given = {"state": RETRYING, "retries": letter.retries + 1, "retriedBy": who, "retryEnds": until, "retry": nonce}
    given["retriedAt"] = clock.iso(cloud.clock.now())
    sets = ", ".join(f"#{name} = :new_{name}" for name in given)
    try:
        cloud.dynamodb.update_item(
            TableName=cloud.names.table(STATE),
            Key=row_key(letter.job, letter.key),
            UpdateExpression=f"SET {sets} REMOVE note",
            ConditionExpression=unchanged,
            ExpressionAttributeNames={**names, **{f"#{name}": name for name in given}},
            ExpressionAttributeValues=attributes.row(
                {**values, **{f":new_{name}": value for name, value in given.items()}}
            ),
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except cloud.ConditionalCheckFailed as error:
        found = attributes.plain(error.response.get("Item"))
        if found.get("retry") == nonce:
            # Ours: the first write won, and its reply was lost on the way.
            return
        now = f"{found.get('state', DEAD)}, sent again by {found.get('retriedBy', '-')}" if found else "gone"
        raise RedriveInProgress(f"dead letter {letter.id} has moved on since it was read: it is {now}") from None


def _message(letter: DeadLetter, content: str) -> str:
    """The body as the consumer received it: what SQS gave up is that itself, what the consumer rejected holds it."""
    dead = _mapping(content).get("dead")
    if not isinstance(dead, Mapping):
        return content
    if not isinstance(dead.get("event"), str):
        raise DeadLetterRefused(
            f"dead letter {letter.id} holds no message of {letter.job}'s queue; it cannot be sent again"
        )
    body: str = dead["event"]
    return body


def _firing(cloud: Cloud, letter: DeadLetter, entry: Entry, content: str) -> Firing:
    """What had started the job, bare or in an envelope of Lambda's or ours, as a firing that serves the letter."""
    body = _mapping(content)
    dead, death = body.get("dead"), "requestContext" in body
    given = dead.get("event", dead) if isinstance(dead, Mapping) else body.get("requestPayload") if death else body
    try:
        fired = firing.parse(letter.job, given, cloud.clock.now())
    except MalformedEvent as error:
        raise DeadLetterRefused(f"dead letter {letter.id} holds nothing that could be run again: {error}") from None
    if not isinstance(fired, Firing):
        raise DeadLetterRefused(
            f"dead letter {letter.id} holds messages, and {letter.job} has no queue that takes them"
        )
    redrive = max(letter.retries, fired.redrive, _tried(cloud, entry, fired)) + 1
    if redrive > MAX_REDRIVES:
        raise DeadLetterRefused(
            f"dead letter {letter.id} was sent again {MAX_REDRIVES} times; run {letter.job} by hand instead"
        )
    first = fired.first_failed_at or str(letter.row.get("firstFailedAt", letter.at))
    return replace(
        fired,
        attempt=1,
        hop=HOP,
        retried=True,
        by="",
        first_failed_at=first,
        last_error=fired.last_error or letter.error,
        letter=letter.key,
        redrive=redrive,
    )


def _tried(cloud: Cloud, entry: Entry, fired: Firing) -> int:
    """How often this very tick was sent again, or run by hand: what comes no later is taken for a duplicate."""
    tried = str(lost_runs.claim_item(cloud, entry, fired.target).get("last_attempt", "")) if not fired.manual else ""
    return int(tried.split("#")[2]) // firing.TURNS if tried.startswith(fired.position) else 0


def _mapping(content: str) -> Mapping[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, Mapping) else {}
