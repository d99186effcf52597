"""GET /downloads/<ticket>: to the archive of an export, until the instant that its user was told and no longer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from shared import clock
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.aws.permissions import Grant, read_objects
from shared.observability.log import Log
from shared.product import export_ticket
from shared.tables import EXPORTED, EXPORTS

GRANTS: tuple[Grant, ...] = (Grant(("dynamodb:GetItem",), f"table/{EXPORTS.name}"), read_objects(f"{EXPORTED}*"))
TIMEOUT = 10
# What fails is a metric of runs, which have their alarm: one more would cost what all of this does not.
ALARM = False
PATH = re.compile(r"/downloads/([A-Za-z0-9_.-]{1,2100})")
# For how long S3 begins a transfer: a role's credentials last for hours, and any link that they sign no longer.
BRIEFLY, SECOND = timedelta(minutes=5), timedelta(seconds=1)
NOTHING = "There is nothing here: the address is not complete, or what it led to is gone.\n"
OVER = "This was here until {until}. Ask for your data again, and there will be a new address.\n"
BUSY = "That did not work. Try again in a minute.\n"

CLOUD = Cloud()
LOG = Log(time=CLOUD.clock, job="downloads")


def handle(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    method, path = event["requestContext"]["http"]["method"], event.get("rawPath", "")
    try:
        status, text = (405, "use GET\n") if method != "GET" else _answered(path)
    except Exception as error:  # noqa: BLE001 - whatever it is, people are told in words what to do
        LOG.error("download_failed", error=f"{type(error).__name__}: {error}", correlationId=context.aws_request_id)
        LOG.metric("downloads", {"Failed": 1})
        status, text = 503, BUSY
    # Neither path nor address: whoever reads the log must not be able to follow them.
    LOG.info("download_answered", status=status, correlationId=context.aws_request_id)
    headers = {"cache-control": "no-store", "referrer-policy": "no-referrer", "x-content-type-options": "nosniff"}
    if status == 302:
        return {"statusCode": status, "headers": {**headers, "location": text}, "body": ""}
    return {"statusCode": status, "headers": {**headers, "content-type": "text/plain; charset=utf-8"}, "body": text}


def _answered(path: str) -> tuple[int, str]:
    """A status, and what is said with it: for a 302 where to go."""
    found = PATH.fullmatch(path)
    try:
        asked = export_ticket.read(found[1] if found else "")
    except export_ticket.NoTicket:
        return 404, NOTHING
    row = _row(asked)
    if not asked.fits(row.get("ticket", "")) or not row.get("archive", "").startswith(EXPORTED) or not _ends(row):
        return 404, NOTHING
    left = clock.parse(row["expires_at"]) - CLOUD.clock.now()
    if left < SECOND:
        return 410, OVER.format(until=_ends(row))
    return 302, _signed(row["archive"], min(left, BRIEFLY), row.get("requested_at", ""))


def _row(asked: export_ticket.Ticket) -> dict[str, Any]:
    """Empty where there is none: it has expired, or its user is gone."""
    key = attributes.row({EXPORTS.pk: asked.user, EXPORTS.sk: asked.export})
    answer = CLOUD.dynamodb.get_item(TableName=CLOUD.names.table(EXPORTS.name), Key=key, ConsistentRead=True)
    return attributes.plain(answer.get("Item"))


def _ends(row: Mapping[str, Any]) -> str:
    until: str = row.get("expires_at", "")
    return f"{clock.parse(until):%Y-%m-%d %H:%M} UTC" if until else ""


def _signed(archive: str, span: timedelta, asked_at: str) -> str:
    from botocore.config import Config

    # By the region's own name: a bucket of another region than the first is not found by the general one at once, and
    # those of newer regions never.
    config = Config(signature_version="s3v4", s3={"addressing_style": "virtual"})
    client: Any = CLOUD.session.create_client("s3", region_name=CLOUD.names.region, config=config)
    name = f"export-{asked_at[:10]}.zip"
    asked = {
        "Bucket": CLOUD.names.bucket,
        "Key": archive,
        "ResponseContentDisposition": f'attachment; filename="{name}"',
    }
    made: str = client.generate_presigned_url("get_object", asked, ExpiresIn=int(span.total_seconds()))
    return made
