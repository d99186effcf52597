"""GET and POST /__cron/run/<task>: start the job, wait a little, say how it went. It cannot touch what jobs touch."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from shared import clock
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.aws.names import NO_TARGET, STATE
from shared.aws.permissions import Grant, invoke_jobs, read_rows, read_secret
from shared.http import internal_token
from shared.job import manifest
from shared.observability.log import Log
from shared.run import manual, status_view
from shared.run.firing import Firing

GRANTS: tuple[Grant, ...] = (
    read_secret(internal_token.SECRET),
    invoke_jobs(),
    read_rows(STATE, "*:last", "manual#*", "pause#*"),
)
TIMEOUT = 29
WATCHED = 25
LARGEST_BODY = 16 * 1024
STATUS = "status"
PATH = re.compile(r"/__cron/run/([a-z0-9-]{1,64})")
TARGET = re.compile(r"[A-Za-z0-9._:-]{1,255}")
KEY = re.compile(r"[\x21-\x7e]{1,255}")

CLOUD = Cloud()
GUARD = internal_token.Guard(CLOUD)
LOG = Log(time=CLOUD.clock, job="trigger")


class Refused(Exception):
    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status = status


def handle(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    # Before anything else is looked at, and the same for a missing and a wrong token.
    if not GUARD.admits(headers):
        LOG.warning("trigger_forbidden", status="forbidden", correlationId=context.aws_request_id)
        return _answer(403, {"error": "forbidden"})
    try:
        task, firing = _asked(event, headers)
        status, body = (200, status_view.read(CLOUD, manifest.load())) if firing is None else _run(firing)
        LOG.info("trigger_answered", task=task, status=status, correlationId=context.aws_request_id)
        return _answer(status, body)
    except Refused as error:
        LOG.warning("trigger_refused", status=error.status, error=str(error), correlationId=context.aws_request_id)
        return _answer(error.status, {"error": str(error)})


def _asked(event: Mapping[str, Any], headers: Mapping[str, str]) -> tuple[str, Firing | None]:
    """The task, and what to fire for it; None for the status route. Raises Refused."""
    method = event["requestContext"]["http"]["method"]
    # Matched whole and as it came: nothing is decoded, so nothing encoded can pass.
    path = PATH.fullmatch(event.get("rawPath", ""))
    if path is None or (path[1] != STATUS and path[1] not in manifest.load()):
        raise Refused(404, "unknown task")
    if method not in ("GET", "POST"):
        raise Refused(405, "use GET or POST")
    if path[1] == STATUS:
        return STATUS, None
    target = _target(event)
    now = CLOUD.clock.now()
    return path[1], Firing(
        job=path[1],
        at=now,
        target=target,
        id=_identity(method, headers, f"{path[1]}/{target}", clock.minute(now)),
        manual=True,
        correlation_id=uuid.uuid4().hex,
    )


def _target(event: Mapping[str, Any]) -> str:
    text = event.get("body") or ""
    if len(text) > LARGEST_BODY:
        raise Refused(413, f"the body is larger than {LARGEST_BODY} bytes")
    try:
        raw = base64.b64decode(text) if event.get("isBase64Encoded") else text
        given: Any = json.loads(raw or "{}")
    except ValueError:
        raise Refused(400, 'the body is not JSON; send {"target": "..."} or nothing') from None
    if not isinstance(given, dict) or not set(given) <= {"target"}:
        raise Refused(400, "the body may name a target and nothing else")
    query: Any = event.get("queryStringParameters") or {}
    target = given.get("target", query.get("target", NO_TARGET))
    if not isinstance(target, str) or not TARGET.fullmatch(target):
        raise Refused(400, "a target is 1 to 255 letters, digits and . _ : -")
    return target


def _identity(method: str, headers: Mapping[str, str], what: str, minute: str) -> str:
    """The manual run's id: one for all requests that mean the same run."""
    key = headers.get("idempotency-key")
    if key is not None and not KEY.fullmatch(key):
        raise Refused(400, "Idempotency-Key is 1 to 255 visible ASCII characters")
    if key is None and method == "GET":
        # A bare GET is repeated by proxies and people; within its minute it is one run.
        key = f"minute {minute}"
    if key is None:
        key = uuid.uuid4().hex
    return hashlib.sha256(f"{what}\n{key}".encode()).hexdigest()[:24]


def _run(firing: Firing) -> tuple[int, dict[str, Any]]:
    seen = _marker(firing)
    if "outcome" not in seen:
        CLOUD.functions.invoke(
            FunctionName=CLOUD.names.function(firing.job),
            InvocationType="Event",
            Payload=json.dumps({"firing": firing.data()}),
        )
        seen = _watch(firing)
    told: dict[str, Any] = {name: seen[name] for name in ("outcome", "ok", "ms", "note") if name in seen}
    answer = {"job": firing.job, "run_id": seen.get("run", ""), "request": firing.id, **told}
    return (200, answer) if told else (202, {**answer, "outcome": "running" if "run" in seen else "queued"})


def _watch(firing: Firing) -> dict[str, Any]:
    until, pause = CLOUD.clock.now() + timedelta(seconds=WATCHED), 0.1
    seen = _marker(firing)
    while "outcome" not in seen and CLOUD.clock.now() < until:
        CLOUD.clock.sleep(pause)
        pause = min(pause * 1.5, 1.0)
        seen = _marker(firing)
    return seen


def _marker(firing: Firing) -> dict[str, Any]:
    answer = CLOUD.dynamodb.get_item(
        TableName=CLOUD.names.table(STATE), Key=manual.key(firing.job, firing.id), ConsistentRead=True
    )
    return attributes.plain(answer.get("Item"))


def _answer(status: int, body: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json", "cache-control": "no-store"},
        "body": json.dumps(body),
    }
