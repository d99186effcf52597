"""Jobs over HTTP: pages for operators, and an API."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import unquote

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body

from functions.console import _actions, _product_views, _views
from functions.console._models import (
    PAGE,
    ActionDone,
    Cursor,
    Day,
    Empty,
    IdempotencyKey,
    IfNoneMatch,
    JobId,
    JobPage,
    Limit,
    Operator,
    RunPage,
    Stats,
)
from functions.console._problems import ACTION, DRIVEN_BY_QUEUE, JOB, NO_ASSESSMENT, NO_JOB
from functions.console._product_models import AssessmentId, AssessmentState, Month, OrganizationId, UsageSums
from shared.aws.cloud import Cloud
from shared.aws.names import FIRINGS, STATE
from shared.aws.permissions import (
    Grant,
    delete_objects,
    delete_rows,
    invoke,
    read_log,
    read_objects,
    read_rows,
    read_secret,
    send,
    write_objects,
    write_rows,
)
from shared.http import function_url, internal_token, sign_in_failures
from shared.http.function_url import FunctionUrlResolver
from shared.http.openapi_answers import answer, cached_answer
from shared.http.problem import INVALID_CURSOR, MEDIA_TYPE, Problem
from shared.job import manifest
from shared.observability.log import Log
from shared.product import usage_sums
from shared.store import keys
from shared.tables import ASSESSMENTS

if TYPE_CHECKING:
    from functions.console._ui import Console

GRANTS: tuple[Grant, ...] = (
    read_secret(internal_token.SECRET),
    read_secret(internal_token.VIEWER_SECRET),
    # All of the state, with its indexes: pages show each kind of row.
    read_rows(STATE),
    write_rows(STATE, keys.claims("*"), keys.pauses("*"), keys.audit_month("*"), keys.dead_letters("*")),
    write_rows(STATE, keys.effects("*", "*"), keys.uncertain_effects("*")),
    *sign_in_failures.GRANTS,
    delete_rows(STATE, keys.pauses("*")),
    # Dead letters: shown, sent again, deleted. Large firings are stored beside them.
    read_objects("dead/*"),
    write_objects("dead/*/large/*"),
    delete_objects("dead/*"),
    read_objects("plans/*"),
    Grant(("sqs:GetQueueAttributes",), "queue/*"),
    send(FIRINGS),
    read_log("*"),
    read_rows(ASSESSMENTS.name),
    *usage_sums.GRANTS,
)
TIMEOUT = 29
WITH_ARTIFACTS = ("sites", "operations")
# A job id contains @ : and /, which a client may escape or not.
JOB_PATH = re.compile(r"/jobs/(.{1,300})/(trigger|pause|resume|runs)")

CLOUD = Cloud()
GUARD = internal_token.Guard(CLOUD, place="console")
# The bundle has the descriptions of all jobs: see shared/job/job_details.py.
JOB_DETAILS = True
# The local cloud stores mails beside that folder.
SETTINGS = ("KB_WORKSPACE",)
LOG = Log(time=CLOUD.clock, job="console")


def grants(jobs: Mapping[str, Any]) -> tuple[Grant, ...]:
    """Grants on functions, artifacts and queues of the jobs."""
    # A consumer's dead letter is sent to its queue.
    consumed = (getattr(job, "queue", None) for job in jobs.values())
    # One resource for each job fills a role: of the groups, only these write artifacts.
    writing = (name for name, job in jobs.items() if getattr(job, "group", "") in WITH_ARTIFACTS)
    return (
        *map(invoke, jobs),
        *(read_objects(f"{name}/*") for name in writing),
        *(send(queue) for queue in consumed if queue),
    )


@cache
def console() -> Console:
    """The pages, imported at their first request.

    Requests of the API do not wait for them.
    """
    from functions.console._ui import Console

    return Console(CLOUD, LOG)


def handle(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    if is_page(event.get("rawPath", "")):
        return console().answer(event)
    # Before anything else is looked up, and the same for a missing and a wrong token.
    if not GUARD.admits(function_url.headers_of(event)):
        LOG.warning("console_forbidden", status="forbidden", correlationId=context.aws_request_id)
        return function_url.forbidden()
    method, path = event["requestContext"]["http"]["method"], event.get("rawPath", "")
    answer = APP.resolve({**event, "rawPath": _with_id_in_one_segment(path)}, context)
    status = answer["statusCode"]
    LOG.info("console_answered", method=method, path=path[:200], status=status, correlationId=context.aws_request_id)
    return answer


def is_page(path: str) -> bool:
    """Whether the path is one of the pages, which have sessions."""
    return path in ("/", "/ui") or path.startswith(("/ui/", "/a/"))


def _with_id_in_one_segment(path: str) -> str:
    """Escape the slashes of a job id.

    A path parameter of Powertools matches no slash.
    """
    match = JOB_PATH.fullmatch(path)
    return f"/jobs/{match[1].replace('/', '%2F')}/{match[2]}" if match else path


def page_paths() -> dict[str, Any]:
    """The paths of the pages, for the OpenAPI document."""
    from functions.console import _page_openapi

    return _page_openapi.paths()


def _refuse(problem: Problem) -> Response[Any]:
    # For clients from before problem details.
    older = {"ok": False, "message": problem.detail}
    return Response(problem.kind.status, MEDIA_TYPE, json.dumps({**problem.body(), **older}))


APP = FunctionUrlResolver(_refuse, not_found="no such path; GET /openapi.json lists them")


Next = Callable[[FunctionUrlResolver], Response[Any]]


def _add_etag(app: FunctionUrlResolver, next_middleware: Next) -> Response[Any]:
    """Add an ETag to a GET; answer 304 for a known one."""
    response = next_middleware(app)
    if app.current_event.http_method != "GET" or response.status_code != 200:
        return response
    response.body = json.dumps(response.body)
    etag = f'"{hashlib.sha256(response.body.encode()).hexdigest()[:32]}"'
    # The client may store the answer, and has to revalidate it each time.
    response.headers |= {"etag": etag, "cache-control": "private, no-cache"}
    known = app.current_event.headers.get("if-none-match", "").split(",")
    if etag in [tag.strip().removeprefix("W/") for tag in known]:
        response.status_code, response.body = 304, ""
    return response


APP.use([_add_etag])


@APP.get("/jobs", summary="List jobs by id", responses=cached_answer(JobPage), problems=(INVALID_CURSOR,))
def list_jobs(limit: Limit = PAGE, cursor: Cursor = None, _if_none_match: IfNoneMatch = None) -> JobPage:
    return _views.jobs(CLOUD, manifest.load(), limit, cursor)


@APP.get("/jobs/stats", summary="Count jobs by status and group", responses=cached_answer(Stats))
def count_jobs(_if_none_match: IfNoneMatch = None) -> Stats:
    return _views.stats(CLOUD, manifest.load())


@APP.get(r"/openapi\.json", summary="Read this document", responses=cached_answer(dict[str, Any]))
def document(_if_none_match: IfNoneMatch = None) -> dict[str, Any]:
    # Imported here: no other request needs it.
    from shared.http import openapi

    return openapi.load()


@APP.post(
    "/jobs/<id>/trigger",
    summary="Start a run",
    status_code=202,
    responses=answer(ActionDone, 202, "The run was started"),
    problems=(NO_JOB, DRIVEN_BY_QUEUE),
)
def trigger(
    id: JobId,  # noqa: A002 - the name of the path parameter
    _body: Annotated[Empty | None, Body()] = None,
    idempotency_key: IdempotencyKey = None,
) -> ActionDone:
    name, entry = _find(id)
    return _actions.trigger(CLOUD, name, entry, idempotency_key)


@APP.post("/jobs/<id>/pause", summary="Pause a job", responses=answer(ActionDone), problems=ACTION)
def pause(id: JobId, by: Annotated[Operator | None, Body()] = None) -> ActionDone:  # noqa: A002
    name, entry = _find(id)
    return _actions.pause(CLOUD, name, entry, by or Operator())


@APP.post("/jobs/<id>/resume", summary="Resume a job", responses=answer(ActionDone), problems=ACTION)
def resume(id: JobId, by: Annotated[Operator | None, Body()] = None) -> ActionDone:  # noqa: A002
    name, entry = _find(id)
    return _actions.resume(CLOUD, name, entry, by or Operator())


@APP.get(
    "/jobs/<id>/runs", summary="List the runs of a day, newest first", responses=cached_answer(RunPage), problems=JOB
)
def list_runs(
    id: JobId,  # noqa: A002
    day: Day = None,
    limit: Limit = PAGE,
    cursor: Cursor = None,
    _if_none_match: IfNoneMatch = None,
) -> RunPage:
    name, _ = _find(id)
    return _views.runs(CLOUD, name, day, limit, cursor)


@APP.get("/organizations/<id>/usage", summary="Sums of a month's usage", responses=cached_answer(UsageSums))
def read_usage(
    id: OrganizationId,  # noqa: A002
    month: Month = None,
    _if_none_match: IfNoneMatch = None,
) -> UsageSums:
    return _product_views.usage(CLOUD, id, month)


@APP.get(
    "/organizations/<id>/assessments/<assessment>",
    summary="State of an assessment",
    responses=cached_answer(AssessmentState),
    problems=(NO_ASSESSMENT,),
)
def read_assessment(
    id: OrganizationId,  # noqa: A002
    assessment: AssessmentId,
    _if_none_match: IfNoneMatch = None,
) -> AssessmentState:
    return _product_views.assessment(CLOUD, id, assessment)


def _find(text: str) -> tuple[str, manifest.Entry]:
    """Find a job by its id (escaped or not) or name."""
    entries = manifest.load()
    names = {entry["id"]: name for name, entry in entries.items()}
    for candidate in (text, unquote(text)):
        name = names.get(candidate, candidate)
        if name in entries:
            return name, entries[name]
    raise Problem(NO_JOB, "no such job; GET /jobs lists their ids")
