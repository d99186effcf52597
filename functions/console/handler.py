"""The jobs over HTTP: list, trigger, pause, resume, their runs. Guarded like break-glass, before anything else."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from functions.console import _actions, _openapi, _views
from functions.console._errors import Refused
from shared.aws.cloud import Cloud
from shared.aws.names import STATE
from shared.aws.permissions import Grant, delete_rows, invoke_jobs, read_rows, read_secret, write_rows
from shared.http import internal_token
from shared.job import manifest
from shared.observability.log import Log

GRANTS: tuple[Grant, ...] = (
    read_secret(internal_token.SECRET),
    invoke_jobs(),
    read_rows(STATE, "*:last", "manual#*", "pause#*", "runs#*"),
    write_rows(STATE, "*:last", "pause#*", "audit#*"),
    delete_rows(STATE, "pause#*"),
)
TIMEOUT = 29
LARGEST_BODY = 16 * 1024
# A segment may be encoded or not: ids have @ and / and : in them.
OF_JOB = re.compile(r"/jobs/(.{1,300})/(trigger|pause|resume|runs)")
ACTS = {"trigger": _actions.trigger, "pause": _actions.pause, "resume": _actions.resume}

CLOUD = Cloud()
GUARD = internal_token.Guard(CLOUD)
LOG = Log(time=CLOUD.clock, job="console")


def handle(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    if not GUARD.admits(headers):
        LOG.warning("console_forbidden", status="forbidden", correlationId=context.aws_request_id)
        return _answer(403, {"error": "forbidden"})
    method, path = event["requestContext"]["http"]["method"], event.get("rawPath", "")
    try:
        status, body = _served(method, path, event, headers)
    except Refused as error:
        status, body = error.status, {"ok": False, "error": str(error), "message": str(error)}
    LOG.info("console_answered", method=method, path=path[:200], status=status, correlationId=context.aws_request_id)
    return _answer(status, body, headers.get("if-none-match", "") if method == "GET" else None)


def _served(method: str, path: str, event: Mapping[str, Any], headers: Mapping[str, str]) -> tuple[int, Any]:
    entries, query = manifest.load(), event.get("queryStringParameters") or {}
    if path in ("/jobs", "/jobs/stats", "/openapi.json"):
        _only("GET", method)
        if path == "/openapi.json":
            return 200, _openapi.DOCUMENT
        return 200, _views.jobs(CLOUD, entries, query) if path == "/jobs" else _views.stats(CLOUD, entries)
    asked = OF_JOB.fullmatch(path)
    if asked is None:
        raise Refused(404, "no such path; GET /openapi.json says which there are")
    name = _named(asked[1], entries)
    if asked[2] == "runs":
        _only("GET", method)
        return 200, _views.runs(CLOUD, name, query)
    _only("POST", method)
    return ACTS[asked[2]](CLOUD, name, entries[name], _body(event), headers)


def _named(given: str, entries: Mapping[str, manifest.Entry]) -> str:
    """The job of that id or name. It is looked up whole, so nothing that is encoded can become a path."""
    names = {entry["id"]: name for name, entry in entries.items()}
    for text in (given, unquote(given)):
        if text in names:
            return names[text]
        if text in entries:
            return text
    raise Refused(404, "no such job; GET /jobs lists their ids")


def _only(wanted: str, method: str) -> None:
    if method != wanted:
        raise Refused(405, f"use {wanted}")


def _body(event: Mapping[str, Any]) -> dict[str, Any]:
    text = event.get("body") or ""
    if len(text) > LARGEST_BODY:
        raise Refused(413, f"the body is larger than {LARGEST_BODY} bytes")
    try:
        given = json.loads((base64.b64decode(text) if event.get("isBase64Encoded") else text) or "{}")
    except ValueError:
        raise Refused(400, "the body is not JSON") from None
    if not isinstance(given, dict):
        raise Refused(400, "the body is not a JSON object")
    return given


def _answer(status: int, body: Any, seen: str | None = None) -> dict[str, Any]:
    """seen: If-None-Match of a GET, whose answer has an ETag; None for what has none."""
    text = json.dumps(body)
    headers = {"content-type": "application/json", "cache-control": "no-store"}
    if seen is not None and status == 200:
        headers["etag"] = f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'
        # To be asked for again each time, and sent again only where it changed.
        headers["cache-control"] = "private, no-cache"
        if headers["etag"] in [tag.strip().removeprefix("W/") for tag in seen.split(",")]:
            return {"statusCode": 304, "headers": headers, "body": ""}
    return {"statusCode": status, "headers": headers, "body": text}
