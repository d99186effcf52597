"""GET and POST /__cron/run/<task>: start a job and wait for it.

Break-glass: the function may start jobs and read their status, and cannot touch what jobs touch.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Header, Query

from functions.trigger._models import TARGET, RunRequest, Status, TriggeredRun
from shared import clock, tables
from shared.aws.cloud import Cloud
from shared.aws.names import NO_TARGET, STATE
from shared.aws.permissions import Grant, invoke, read_rows, read_secret
from shared.http import function_url, internal_token
from shared.http.function_url import FunctionUrlResolver, json_response
from shared.http.openapi_answers import answer
from shared.http.problem import Problem, ProblemType
from shared.job import manifest
from shared.job.manifest import Entry
from shared.job.outcome import Reason, verdict_word
from shared.observability.log import Log
from shared.run import status_view
from shared.run.firing import Firing
from shared.run.target_check import not_among
from shared.store import keys, table

GRANTS: tuple[Grant, ...] = (
    read_secret(internal_token.SECRET),
    read_rows(STATE, keys.claims("*"), keys.manual_requests("*"), keys.pauses("*")),
)
TIMEOUT = 29
# Seconds for which a request waits for the run's outcome.
WATCH_SECONDS = 25
UNKNOWN_TASK = "unknown task"
NO_TASK = ProblemType(
    "unknown-task",
    404,
    "The job does not exist",
    "Use the name of a deployed job; /__cron/run/status lists their keys.",
)
NO_TARGET_OF_JOB = ProblemType(
    "unknown-target", 404, "The job has no such target", "Use a target of the job's settings, or none to run them all."
)
DRIVEN_BY_QUEUE = ProblemType("driven-by-queue", 409, "The job runs by messages only", "Send a message to its queue.")
IDEMPOTENCY_KEY = r"^[\x21-\x7e]{1,255}$"

CLOUD = Cloud()
LOG = Log(time=CLOUD.clock, job="trigger")


def _report_guesses() -> None:
    """Report many wrong tokens by the metric of failed runs.

    It has an alarm, and this function may write nothing.
    """
    LOG.error("trigger_guessed", error="ten wrong tokens or more in a minute")
    LOG.metric("trigger", {"Failed": 1})


GUARD = internal_token.Guard(CLOUD, place="trigger", report=_report_guesses)


def grants(jobs: Iterable[str]) -> tuple[Grant, ...]:
    """Grants on the functions of the jobs that this URL starts."""
    return tuple(invoke(job) for job in jobs)


def handle(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    # Before anything else is looked up, and the same for a missing and a wrong token.
    if not GUARD.admits(function_url.headers_of(event)):
        LOG.warning("trigger_forbidden", status="forbidden", correlationId=context.aws_request_id)
        return function_url.forbidden()
    return APP.resolve(event, context)


def _refuse(problem: Problem) -> Response[Any]:
    request = APP.lambda_context.aws_request_id
    LOG.warning("trigger_refused", status=problem.kind.status, error=problem.detail, correlationId=request)
    return problem.response()


APP = FunctionUrlResolver(_refuse, not_found=UNKNOWN_TASK)


@APP.route(
    "/__cron/run/status",
    method=["GET", "POST"],
    summary="Read the status of all jobs and targets",
    responses=answer(dict[str, Status]),
)
def show_status() -> Response[Any]:
    shown = status_view.read(CLOUD, manifest.load())
    return _respond("status", 200, {key: _with_verdict(status) for key, status in shown.items()})


@APP.route(
    "/__cron/run/<task>",
    method=["GET", "POST"],
    summary="Start a job and wait for its outcome",
    responses={**answer(TriggeredRun), **answer(TriggeredRun, 202, "The run has not ended")},
    problems=(NO_TASK, NO_TARGET_OF_JOB, DRIVEN_BY_QUEUE),
)
def run_task(
    task: str,
    body: Annotated[RunRequest | None, Body()] = None,
    target: Annotated[str | None, Query(pattern=TARGET)] = None,
    idempotency_key: Annotated[str | None, Header(pattern=IDEMPOTENCY_KEY)] = None,
) -> Response[Any]:
    # Compared as it came: nothing is decoded, so an encoded path names no task.
    entry = manifest.load().get(task)
    if entry is None:
        raise Problem(NO_TASK, UNKNOWN_TASK)
    if entry["queue"]:
        # A run without messages would end as done, and be taken for the consumer's last good one.
        raise Problem(DRIVEN_BY_QUEUE, f"{task} is driven by its queue {entry['queue']!r}; send it a message")
    named = (body and body.target) or target or NO_TARGET
    _check_target(task, entry, named)
    now = CLOUD.clock.now()
    key = idempotency_key or _default_key(APP.current_event.http_method, clock.minute(now))
    firing = Firing(
        job=task,
        at=now,
        target=named,
        id=hashlib.sha256(f"{task}/{named}\n{key}".encode()).hexdigest()[:24],
        manual=True,
        correlation_id=uuid.uuid4().hex,
    )
    return _respond(task, *_run(firing))


def _check_target(task: str, entry: Entry, target: str) -> None:
    """Raise a 404 for a target that no settings could give.

    Named targets, such as hosts of a setting, are checked by the run: its settings may be newer than this manifest.
    """
    if target == NO_TARGET or entry["named_targets"]:
        return
    if why := not_among(entry["targets"] or (), task, target):
        raise Problem(NO_TARGET_OF_JOB, why)


def _respond(task: str, status: int, body: Mapping[str, Any]) -> Response[Any]:
    LOG.info("trigger_answered", task=task, status=status, correlationId=APP.lambda_context.aws_request_id)
    return json_response(status, body)


def _default_key(method: str, minute: str) -> str:
    """The idempotency key of a request without one.

    A GET is repeated by proxies and people, a POST on purpose.
    """
    return f"minute {minute}" if method == "GET" else uuid.uuid4().hex


def _run(firing: Firing) -> tuple[int, dict[str, Any]]:
    """Start the run unless it has ended, and wait for it.

    Returns status and body of the answer. Raises a 404 for a target that the job does not have.
    """
    request = _read_request(firing)
    if "outcome" not in request:
        CLOUD.functions.invoke(
            FunctionName=CLOUD.names.function(firing.job),
            InvocationType="Event",
            Payload=json.dumps({"firing": firing.data()}),
        )
        request = _watch(firing)
    if request.get("outcome") == Reason.UNKNOWN_TARGET.value:
        raise Problem(NO_TARGET_OF_JOB, str(request.get("note", "")))
    outcome: dict[str, Any] = {name: request[name] for name in ("outcome", "ok", "ms", "note") if name in request}
    body = {"job": firing.job, "run_id": request.get("run", ""), "request": firing.id, **outcome}
    if outcome:
        return 200, _with_verdict(body)
    return 202, {**body, "outcome": "running" if "run" in request else "queued"}


def _with_verdict(shown: Mapping[str, Any]) -> dict[str, Any]:
    """The fields with the verdict of the run, after the first run."""
    if "outcome" not in shown:
        return dict(shown)
    return {**shown, "verdict": verdict_word(shown["outcome"], shown.get("ok", True))}


def _watch(firing: Firing) -> dict[str, Any]:
    """Poll the request's row until it has an outcome, at most WATCH_SECONDS."""
    until, pause = CLOUD.clock.now() + timedelta(seconds=WATCH_SECONDS), 0.1
    request = _read_request(firing)
    while "outcome" not in request and CLOUD.clock.now() < until:
        CLOUD.clock.sleep(pause)
        pause = min(pause * 1.5, 1.0)
        request = _read_request(firing)
    return request


def _read_request(firing: Firing) -> dict[str, Any]:
    return table.get(CLOUD, tables.STATE, keys.manual_request(firing.job, firing.id))
