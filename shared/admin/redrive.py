"""Redrive a dead letter, with all its attempts again.

It is sent through the same queue and gates as any run. Its row shows the result. It is `retrying` before anything is
sent, so that two operators do not redrive it at once; the run that serves it sets `resolved`; a permanent failure sets
`dead`. If neither has happened by `retryEnds`, because a process was interrupted, it can be redriven once more.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.admin import audit
from shared.advised_commands import advised
from shared.aws.cloud import not_performed
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
    unchanged,
)
from shared.job import manifest
from shared.job.lease_margin import lease_seconds
from shared.job.manifest import Entry
from shared.job.retry import JITTER
from shared.run import firing, lost_runs, redriven
from shared.run import send as firings
from shared.run.firing import Firing, MalformedEvent
from shared.store import keys, table
from shared.store.table import ConditionFailed
from shared.tables import STATE
from shared.text.untrusted_json import InvalidJson, parse_json

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

# Lambda invocations until the run: dispatch, then the job.
HOP = 2
# The sequence number of a firing has three digits, the last of them for attempts.
MAX_REDRIVES = 99
# Seconds that queues, dispatch and cold starts take on top of the attempts.
OVERHEAD = 120


@dataclass(frozen=True, slots=True)
class PreparedRedrive:
    """A redrive that was read and checked, and can be sent."""

    dead_letter: DeadLetter
    entry: Entry
    #: A firing, or the body of a consumer's message.
    payload: Firing | str


def time_limit(entry: Entry, environment: Mapping[str, str] = MappingProxyType({})) -> timedelta:
    """Return how long a redrive can take.

    All its attempts, each as late as possible.
    """
    if entry["queue"]:
        return timedelta(seconds=RECEIVES * VISIBILITY * entry["timeout"] + OVERHEAD)
    delays = entry["delays"]
    runs = (len(delays) + 1) * lease_seconds(entry["timeout"], environment)
    return timedelta(seconds=sum(delays) * (1 + JITTER) + runs + OVERHEAD)


def prepare(cloud: Cloud, letter: DeadLetter) -> PreparedRedrive:
    """Read and check everything that a redrive needs. Raises DeadLetterRefused, and RedriveInProgress."""
    now = clock.iso(cloud.clock.now())
    if letter.state == RESOLVED:
        raise DeadLetterRefused(f"dead letter {letter.id} is resolved, by run {letter.row.get('resolvedBy') or '-'}")
    if letter.is_retrying(now):
        raise RedriveInProgress(
            f"dead letter {letter.id} was redriven by {letter.retried_by} at {letter.row['retriedAt']}; "
            f"if it has no result by {letter.retry_ends}, it can be redriven once more"
        )
    entry = manifest.load().get(letter.job)
    if entry is None:
        purge = advised(cloud.names.stage, "dead", "purge", letter.job)
        raise DeadLetterRefused(
            f"dead letter {letter.id} is of {letter.job!r}, and there is no such job; if it was renamed or removed, "
            f"`{purge}` deletes its dead letters"
        )
    content = store.read_payload(cloud, letter)
    payload = _message(letter, content) if entry["queue"] else _firing(cloud, letter, entry, content)
    return PreparedRedrive(letter, entry, payload)


def send(cloud: Cloud, prepared: PreparedRedrive, operator: str) -> str:
    """Mark the row `retrying`, then send; return `retryEnds`.

    Raises RedriveInProgress. In that order: after a crash the dead letter can be redriven again when its retry ends;
    the other order could send it twice.
    """
    letter, nonce = prepared.dead_letter, secrets.token_hex(8)
    retry_ends = clock.iso(cloud.clock.now() + time_limit(prepared.entry, cloud.environment))
    _mark_retrying(cloud, letter, operator, retry_ends, nonce)
    try:
        _send(cloud, prepared)
    except Exception as error:
        # After a timeout it may have been sent: then the row stays `retrying`.
        if not_performed(error):
            mine = {":dead": DEAD, ":mine": nonce}
            redriven.change_state(cloud, letter.job, letter.key, "SET #state = :dead", mine, "retry = :mine")
        raise
    return retry_ends


def redrive_one(cloud: Cloud, id_prefix: str, operator: str, reason: str) -> tuple[DeadLetter, str]:
    """Redrive the dead letter with this id prefix.

    Returns it as it was, and `retryEnds`. Raises UnknownDeadLetter and DeadLetterRefused, before anything is sent.
    """
    letter = store.find(cloud, id_prefix)
    prepared = prepare(cloud, letter)
    scope = {"id": letter.id, "job": letter.job}
    with audit.OperatorAuditEntry(cloud, "dead retry", operator, reason or "no reason was given", scope) as entry:
        retry_ends = send(cloud, prepared, operator)
        entry.add(letter.id)
    return letter, retry_ends


def wait_for_result(cloud: Cloud, letter: DeadLetter, until: datetime) -> DeadLetter | None:
    """Wait until the dead letter is not `retrying`, or `until`.

    Returns it as it is then; None if it was deleted.
    """
    pause = 0.2
    while True:
        current = store.read(cloud, [(letter.job, letter.key)]).get((letter.job, letter.key))
        if current is None or current.state != RETRYING or cloud.clock.now() > until:
            return current
        cloud.clock.sleep(pause)
        pause = min(pause * 1.5, 2.0)


def _send(cloud: Cloud, prepared: PreparedRedrive) -> None:
    if isinstance(prepared.payload, Firing):
        firings.send(cloud, prepared.payload)
        return
    cloud.sqs.send_message(
        QueueUrl=cloud.names.queue_url(prepared.entry["queue"] or ""),
        MessageBody=prepared.payload,
        MessageAttributes={MESSAGE_ATTRIBUTE: {"DataType": "String", "StringValue": prepared.dead_letter.key}},
    )


def _mark_retrying(cloud: Cloud, letter: DeadLetter, operator: str, retry_ends: str, nonce: str) -> None:
    condition, names, values = unchanged(letter)
    new = {
        "state": RETRYING,
        "retries": letter.retries + 1,
        "retriedBy": operator,
        "retryEnds": retry_ends,
        "retry": nonce,
        "retriedAt": clock.iso(cloud.clock.now()),
    }
    try:
        table.update(
            cloud,
            STATE,
            keys.dead_letter(letter.job, letter.key),
            f"SET {', '.join(f'#{name} = :new_{name}' for name in new)} REMOVE note",
            {**values, **{f":new_{name}": value for name, value in new.items()}},
            condition=condition,
            names={**names, **{f"#{name}": name for name in new}},
            won=lambda item: item.get("retry") == nonce,
        )
    except ConditionFailed as error:
        item = error.item
        now = f"{item.get('state', DEAD)}, redriven by {item.get('retriedBy', '-')}" if item else "deleted"
        raise RedriveInProgress(f"dead letter {letter.id} was changed since it was read: it is {now}") from None


def _message(letter: DeadLetter, content: str) -> str:
    """Return the message body as the consumer received it.

    It is the payload itself, or the event in the consumer's envelope.
    """
    dead = _mapping(content).get("dead")
    if not isinstance(dead, Mapping):
        return content
    if not isinstance(dead.get("event"), str):
        raise DeadLetterRefused(
            f"dead letter {letter.id} contains no message of {letter.job}'s queue, and cannot be redriven"
        )
    body: str = dead["event"]
    return body


def _firing(cloud: Cloud, letter: DeadLetter, entry: Entry, content: str) -> Firing:
    """Return the firing that redrives the dead letter.

    The payload is the firing of the failed run, or an envelope with it.
    """
    body = _mapping(content)
    dead = body.get("dead")
    if isinstance(dead, Mapping):
        event = dead.get("event", dead)
    else:
        event = body.get("requestPayload") if "requestContext" in body else body
    try:
        fired = firing.parse(letter.job, event, cloud.clock.now())
    except MalformedEvent as error:
        raise DeadLetterRefused(f"dead letter {letter.id} contains no firing that can be run: {error}") from None
    if not isinstance(fired, Firing):
        raise DeadLetterRefused(f"dead letter {letter.id} contains messages, and {letter.job} consumes no queue")
    redrive = max(letter.retries, fired.redrive, _redrives_of_tick(cloud, entry, fired)) + 1
    if redrive > MAX_REDRIVES:
        raise DeadLetterRefused(
            f"dead letter {letter.id} was redriven {MAX_REDRIVES} times, the maximum; run {letter.job} manually instead"
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


def _redrives_of_tick(cloud: Cloud, entry: Entry, fired: Firing) -> int:
    """Return how often this tick was redriven.

    Also from another dead letter: a lower number would be a duplicate.
    """
    if fired.manual:
        return 0
    last = str(lost_runs.claim_item(cloud, entry, fired.target).get("last_attempt", ""))
    return int(last.split("#")[2]) // firing.SEQUENCE_STEP if last.startswith(fired.position) else 0


def _mapping(content: str) -> Mapping[str, Any]:
    try:
        parsed = parse_json(content, max_bytes=store.MAX_PAYLOAD)
    except InvalidJson:
        return {}
    return parsed if isinstance(parsed, Mapping) else {}
