"""POST /queues/<queue>/process?limit=: have a consumer take what waits in its queue, here and now."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from functions.queues import _drain
from functions.queues._drain import Refused
from shared.aws.cloud import Cloud
from shared.aws.permissions import Grant, invoke_jobs, read_secret
from shared.http import internal_token
from shared.observability.log import Log

GRANTS: tuple[Grant, ...] = (read_secret(internal_token.SECRET), invoke_jobs(), *_drain.GRANTS)
TIMEOUT = 60

CLOUD = Cloud()
GUARD = internal_token.Guard(CLOUD)
LOG = Log(time=CLOUD.clock, job="queues")


def handle(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    # Before anything else is looked at, and the same for a missing and a wrong token.
    if not GUARD.admits(headers):
        LOG.warning("queue_forbidden", status="forbidden", correlationId=context.aws_request_id)
        return _answer(403, {"error": "forbidden"})
    try:
        status, body = _drain.process(CLOUD, event, headers)
    except Refused as error:
        LOG.warning("queue_refused", status=error.status, error=str(error), correlationId=context.aws_request_id)
        return _answer(error.status, {"error": str(error)})
    LOG.info("queue_processed", status=status, correlationId=context.aws_request_id, result=body)
    return _answer(status, body)


def _answer(status: int, body: Mapping[str, Any]) -> dict[str, Any]:
    wait = {"retry-after": str(_drain.PAUSE)} if status == 429 else {}
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json", "cache-control": "no-store", **wait},
        "body": json.dumps(body),
    }
