"""GET /downloads/<ticket>: redirect to the archive of an export.

A link is valid until the time in the mail to its user.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError

from shared import clock
from shared.aws.cloud import Cloud
from shared.aws.permissions import Grant, read_objects
from shared.http.function_url import FunctionUrlResolver
from shared.http.problem import UNKNOWN_PATH, Problem, ProblemType
from shared.observability.log import Log
from shared.product import export_ticket
from shared.store import table
from shared.store.keys import RowKey
from shared.tables import EXPORTED, EXPORTS

GRANTS: tuple[Grant, ...] = (Grant(("dynamodb:GetItem",), f"table/{EXPORTS.name}"), read_objects(f"{EXPORTED}*"))
TIMEOUT = 10
# Failures are counted in the metric of runs, which has an alarm: an alarm of its own would cost more than the function.
ALARM = False
TICKET = re.compile(r"[A-Za-z0-9_.-]{1,2100}")
# How long S3 accepts the signed URL. Credentials of a role last for hours, and no URL that they sign lasts longer.
MAX_VALIDITY, SECOND = timedelta(minutes=5), timedelta(seconds=1)
NO_EXPORT = "There is nothing here: the address is not complete, or the export that it led to is gone.\n"
EXPIRED = "This was here until {until}. Ask for your data again, and there will be a new address.\n"
FAILED = "That did not work. Try again in a minute.\n"
EXPORT_ENDED = ProblemType("export-ended", 410, "The export has ended", "Ask for the data again.")
DOWNLOAD_FAILED = ProblemType("download-failed", 503, "The download failed", "Try again in a minute.")
TEXT = "text/plain; charset=utf-8"
HEADERS = {"cache-control": "no-store", "referrer-policy": "no-referrer", "x-content-type-options": "nosniff"}

CLOUD = Cloud()
LOG = Log(time=CLOUD.clock, job="downloads")


def handle(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    answer = APP.resolve(event, context)
    # Without path and location: a reader of the log must not be able to follow them.
    LOG.info("download_answered", status=answer["statusCode"], correlationId=context.aws_request_id)
    return answer


def _refuse(problem: Problem) -> Response[Any]:
    """A text: people follow these links, from a mail."""
    return Response(problem.kind.status, TEXT, problem.detail, HEADERS)


APP = FunctionUrlResolver(_refuse, not_found=NO_EXPORT, validate=False, guarded=False, media_type=TEXT)


@APP.get(
    "/downloads/<ticket>",
    summary="Redirect to the archive of an export",
    responses={302: {"description": "The signed URL of the archive, in the header Location"}},
    problems=(UNKNOWN_PATH, EXPORT_ENDED, DOWNLOAD_FAILED),
)
def redirect(ticket: str) -> Response[Any]:
    try:
        parsed = export_ticket.read(ticket if TICKET.fullmatch(ticket) else "")
    except export_ticket.NoTicket:
        raise NotFoundError from None
    row = _row(parsed)
    if not parsed.matches(row.get("ticket", "")) or not row.get("archive", "").startswith(EXPORTED) or not _until(row):
        raise NotFoundError
    left = clock.parse(row["expires_at"]) - CLOUD.clock.now()
    if left < SECOND:
        raise Problem(EXPORT_ENDED, EXPIRED.format(until=_until(row)))
    location = _signed(row["archive"], min(left, MAX_VALIDITY), row.get("requested_at", ""))
    return Response(302, body="", headers={**HEADERS, "location": location})


def _fail(error: Exception) -> Response[Any]:
    """Answer a failure with a text for the user."""
    request = APP.lambda_context.aws_request_id
    LOG.error("download_failed", error=f"{type(error).__name__}: {error}", correlationId=request)
    LOG.metric("downloads", {"Failed": 1})
    return _refuse(Problem(DOWNLOAD_FAILED, FAILED))


APP.exception_handler(Exception)(_fail)


def _row(ticket: export_ticket.Ticket) -> dict[str, Any]:
    """The row of the export; empty for an expired or deleted one."""
    return table.get(CLOUD, EXPORTS, RowKey(ticket.user, ticket.export))


def _until(row: Mapping[str, Any]) -> str:
    until: str = row.get("expires_at", "")
    return f"{clock.parse(until):%Y-%m-%d %H:%M} UTC" if until else ""


def _signed(archive: str, validity: timedelta, requested_at: str) -> str:
    from botocore.config import Config

    # By the endpoint of the region: the global one does not find buckets of other regions at once, and those of newer
    # regions never.
    config = Config(signature_version="s3v4", s3={"addressing_style": "virtual"})
    client: Any = CLOUD.session.client("s3", region_name=CLOUD.names.region, config=config)
    name = f"export-{requested_at[:10]}.zip"
    parameters = {
        "Bucket": CLOUD.names.bucket,
        "Key": archive,
        "ResponseContentDisposition": f'attachment; filename="{name}"',
    }
    url: str = client.generate_presigned_url("get_object", parameters, ExpiresIn=int(validity.total_seconds()))
    return url
