"""POST /queues/<queue>/process?limit=: have a consumer handle the messages of its queue now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import unquote

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from functions.queues import _drain
from functions.queues._models import Drained
from shared.aws.cloud import Cloud
from shared.aws.permissions import Grant, read_secret
from shared.http import function_url, internal_token, sign_in_failures
from shared.http.function_url import FunctionUrlResolver, json_response
from shared.http.openapi_answers import answer
from shared.http.problem import Problem, ProblemType
from shared.job.outcome import Reason
from shared.observability.log import Log

if TYPE_CHECKING:
    from shared.job.definition import Job

GRANTS: tuple[Grant, ...] = (read_secret(internal_token.SECRET), *sign_in_failures.GRANTS, *_drain.GRANTS)
TIMEOUT = 60
UNKNOWN_QUEUE = "unknown queue"
NO_QUEUE = ProblemType(
    "unknown-queue", 404, "No consumer has this queue", "Use the declared name of a queue, or its name in SQS."
)
OTHER_ORIGIN = ProblemType(
    "other-origin", 403, "The request is of another origin", "Send it from a page of the same origin, or by no browser."
)
NOT_INTERNAL = ProblemType(
    "not-internal", 403, "The header x-internal-exec is missing", "Send the header x-internal-exec: 1."
)
RATE_LIMITED = ProblemType(
    "rate-limited", 429, "The queue was drained seconds ago", "Repeat the request after the header Retry-After."
)
CONSUMER_FAILED = ProblemType(
    "consumer-failed",
    502,
    "The consumer failed",
    "Read its log; its messages become visible again.",
)
DEFAULT_LIMIT, MAX_LIMIT = 10, 50
# A whole number in ASCII digits, of any size, since it is clamped: int() and pydantic accept more.
LIMIT = r"^-?[0-9]+$"

CLOUD = Cloud()
GUARD = internal_token.Guard(CLOUD, place="queues")
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


def _refuse(problem: Problem) -> Response[Any]:
    request = APP.lambda_context.aws_request_id
    LOG.warning("queue_refused", status=problem.kind.status, error=problem.detail, correlationId=request)
    response = problem.response()
    if problem.kind is RATE_LIMITED:
        response.headers["retry-after"] = str(_drain.PAUSE_SECONDS)
    return response


APP = FunctionUrlResolver(_refuse, not_found=UNKNOWN_QUEUE)


@APP.post(
    "/queues/<queue>/process",
    summary="Have the consumer handle the messages of its queue now",
    responses=answer(Drained),
    problems=(NO_QUEUE, OTHER_ORIGIN, NOT_INTERNAL, RATE_LIMITED, CONSUMER_FAILED),
)
def process(queue: str, limit: Annotated[str, Query(pattern=LIMIT)] = str(DEFAULT_LIMIT)) -> Response[Any]:
    """Drain at most `limit` messages, clamped to 1 to MAX_LIMIT."""
    # Clients escape the colon of a queue's name or do not; either is the same path.
    consumer = _drain.consumer_of(unquote(queue))
    if consumer is None:
        raise Problem(NO_QUEUE, UNKNOWN_QUEUE)
    _require_same_origin()
    if not _drain.admit(CLOUD, consumer.queue):
        members = {"queue": consumer.queue, "outcome": Reason.RATE_LIMITED.value}
        raise Problem(RATE_LIMITED, f"{consumer.queue} was drained less than {_drain.PAUSE_SECONDS} s ago", members)
    status, body = _drain.drain(CLOUD, consumer, _clamped(limit))
    LOG.info("queue_processed", status=status, correlationId=APP.lambda_context.aws_request_id, result=body)
    if status != 200:
        raise Problem(CONSUMER_FAILED, f"the consumer {consumer.job} of {consumer.queue} failed", body)
    return json_response(status, body)


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
        raise Problem(OTHER_ORIGIN, "forbidden: not from the same origin")
    if CLOUD.names.production and headers.get("x-internal-exec") != "1":
        raise Problem(NOT_INTERNAL, "forbidden: send the header x-internal-exec: 1")
