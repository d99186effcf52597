"""POST /queues/<queue>/process?limit=: have a consumer handle the messages of its queue now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import unquote

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.exceptions import ServiceError
from aws_lambda_powertools.event_handler.openapi.params import Query

from functions.queues import _drain
from shared.aws.cloud import Cloud
from shared.aws.permissions import Grant, read_secret
from shared.http import function_url, internal_token
from shared.http.function_url import FunctionUrlResolver, json_response
from shared.job.outcome import Reason
from shared.observability.log import Log

if TYPE_CHECKING:
    from shared.job.definition import Job

GRANTS: tuple[Grant, ...] = (read_secret(internal_token.SECRET), *_drain.GRANTS)
TIMEOUT = 60
UNKNOWN_QUEUE = "unknown queue"
DEFAULT_LIMIT, MAX_LIMIT = 10, 50
# A whole number in ASCII digits, of any size, since it is clamped: int() and pydantic accept more.
LIMIT = r"^-?[0-9]+$"

CLOUD = Cloud()
GUARD = internal_token.Guard(CLOUD)
LOG = Log(time=CLOUD.clock, job="queues")


def grants(jobs: Mapping[str, Job]) -> tuple[Grant, ...]:
    """Grants on the drained queues and their consumers' functions."""
    return _drain.grants({name: job.queue for name, job in jobs.items()})


def handle(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    # Before anything else is looked up, and the same for a missing and a wrong token.
    if not GUARD.admits(function_url.headers_of(event)):
        LOG.warning("queue_forbidden", status="forbidden", correlationId=context.aws_request_id)
        return function_url.forbidden()
    return APP.resolve(event, context)


def _refuse(status: int, message: str) -> Response[Any]:
    LOG.warning("queue_refused", status=status, error=message, correlationId=APP.lambda_context.aws_request_id)
    return json_response(status, {"error": message})


APP = FunctionUrlResolver(_refuse, not_found=UNKNOWN_QUEUE)


@APP.post("/queues/<queue>/process")
def process(queue: str, limit: Annotated[str, Query(pattern=LIMIT)] = str(DEFAULT_LIMIT)) -> Response[Any]:
    """Drain at most `limit` messages, clamped to 1 to MAX_LIMIT."""
    # Clients escape the colon of a queue's name or do not; either is the same path.
    consumer = _drain.consumer_of(unquote(queue))
    if consumer is None:
        raise ServiceError(404, UNKNOWN_QUEUE)
    _require_same_origin()
    if not _drain.admit(CLOUD, consumer.queue):
        return _respond(429, {"queue": consumer.queue, "outcome": Reason.RATE_LIMITED.value})
    return _respond(*_drain.drain(CLOUD, consumer, _clamped(limit)))


def _clamped(limit: str) -> int:
    digits = limit.removeprefix("-").lstrip("0")
    if limit.startswith("-") or not digits:
        return 1
    return MAX_LIMIT if len(digits) > len(str(MAX_LIMIT)) else min(int(digits), MAX_LIMIT)


def _require_same_origin() -> None:
    """Refuse requests of other origins.

    A browser sends these headers; other clients send neither, and have the token.
    """
    headers, own = APP.current_event.headers, APP.current_event.request_context.domain_name
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    foreign_origin = origin is not None and origin not in (f"https://{own}", f"http://{own}")
    if foreign_origin or site not in (None, "same-origin", "none"):
        raise ServiceError(403, "forbidden: not from the same origin")
    if CLOUD.names.production and headers.get("x-internal-exec") != "1":
        raise ServiceError(403, "forbidden: send the header x-internal-exec: 1")


def _respond(status: int, body: Mapping[str, Any]) -> Response[Any]:
    LOG.info("queue_processed", status=status, correlationId=APP.lambda_context.aws_request_id, result=body)
    response = json_response(status, body)
    if status == 429:
        response.headers["retry-after"] = str(_drain.PAUSE_SECONDS)
    return response
