from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, ClassVar

from functions.accounts._keys import archive_of, objects_of, part_of
from functions.accounts._link import GRANT, LINK, link
from shared import clock
from shared.archetypes.pipeline import Continue, Pipeline, RequestRefused, StepDone
from shared.archetypes.purge.dependents import Dependents
from shared.aws import attributes
from shared.job import Grant, RunContext, delete_objects, every, read_objects, read_rows, settings, tables, upsert
from shared.job.policies import WEBHOOK_ITEM
from shared.product import export_ticket, notifications
from shared.store.age_index import Row

if TYPE_CHECKING:
    from functions.accounts._archive import Archive
    from shared.product.records.accounts import Export

TABLES = tuple(table for table in tables.MAIL if table not in (tables.EXPORTS, tables.DELETIONS))
# The bucket forgets what lies there for 14 days, whatever its row says.
LONGEST = timedelta(days=7)
KEPT = settings.span("ACCOUNT_EXPORT_KEEP", LONGEST, "How long an export can be fetched, 7 days at most")
# What opens an account, or speaks for it, is told by a hash: whoever finds an export shall not find a key.
WITHHELD: Mapping[str, str] = {
    **dict.fromkeys((tables.SESSIONS.name, tables.MAGIC_LINKS.name, tables.VERIFICATIONS.name), "id"),
    tables.WEBHOOKS.name: "secrets",
    # The way to another export.
    tables.NOTIFICATIONS.name: "data.link",
}
# How the product finds its rows, and nothing of the user's.
OURS = frozenset(("aged", "since", "due", "due_at", "v", "going", "fault", "upto"))
PAGE = 500
CHUNK = 1024 * 1024
# Messages that are asked for before their turn.
AHEAD = 8


class AccountExport(Pipeline):
    """Make an archive of all that is a user's, as JSON and CSV and with the messages held for them, and tell them.

    Rows are read a page at a time and kept; then the archive is made of them in one go, streamed to S3 as it is made.
    """

    schedule = every(minutes=5)
    table = tables.EXPORTS
    record = "shared.product.records.accounts.Export"
    steps: ClassVar[Mapping[str, int]] = {"collecting": 60, "packing": 95, "cleaning": 100}
    delays = WEBHOOK_ITEM
    idempotency = upsert(
        "a page is written to its own key, the archive to its own; the user is told with the end of it"
    )
    settings = (KEPT, LINK)
    permissions = (
        *(read_rows(table.name) for table in TABLES),
        read_objects(f"{tables.RAW}*"),
        read_objects(f"{tables.EXPORTED}*"),
        delete_objects(f"{tables.EXPORTED}*"),
        Grant(("s3:PutObject", "s3:AbortMultipartUpload"), f"bucket/{tables.EXPORTED}*"),
        GRANT,
        *notifications.GRANTS,
    )

    def collecting(self, run: RunContext, item: Export) -> Continue | StepDone:
        """One page of the user's rows, of the next table that has any."""
        name, _, after = item.cursor.partition("#")
        names = [table.name for table in TABLES]
        start = names.index(name) if name else 0
        if not name:
            _there(run, item.user)
        for number, table in enumerate(TABLES[start:], start):
            page = _page(run, table, item.user, after if number == start else "")
            if page:
                written = item.parts.get(table.name, 0)
                body = b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in page)
                _put(run, part_of(item.user, item.id, table.name, written), body)
                noted = {"parts": {**item.parts, table.name: written + 1}}
                return Continue(f"{table.name}#{page[-1]['sk']}", number / len(TABLES), fields=noted)
        return StepDone()

    def packing(self, run: RunContext, item: Export) -> Continue | StepDone:
        """The archive, in one go; what a run left unfinished is no object, and is forgotten by the bucket."""
        from functions.accounts._archive import Archive, Upload

        if run.remaining() < self.timeout / 2:
            return Continue("", at=run.cloud.clock.now())
        key = archive_of(item.user, item.id)
        upload = Upload(run.cloud, key)
        try:
            archive = Archive(upload, item.requested_at)
            for table in TABLES:
                columns = archive.array(table.name, _rows(run, item, table))
                archive.table(table.name, _rows(run, item, table), columns)
            missing = [*_messages(run, item, archive)]
            asked = clock.iso(item.requested_at)
            told = {"user": item.user, "asked_at": asked, "hashed": WITHHELD, "missing": missing}
            digest = archive.close(**told)
        except Exception:
            with suppress(Exception):
                upload.abandon()
            raise
        return StepDone({"archive": key, "size": upload.size, "sha256": digest})

    def cleaning(self, run: RunContext, item: Export) -> StepDone:
        """Only the archive stays, and a way to it."""
        archive = archive_of(item.user, item.id)
        named = [key for key in objects_of({"pk": item.user, "sk": item.id, "parts": item.parts}) if key != archive]
        Dependents({"key": ""}).delete(run.cloud, [Row("", "", "", "", {"key": key}) for key in named])
        kept: timedelta = run.setting(KEPT.name)
        made = export_ticket.Ticket(item.user, item.id, export_ticket.secret())
        known = {"ticket": made.secret, "link": link(run.cloud, run.setting(LINK.name), made)}
        return StepDone({**known, "parts": {}, "expires_at": run.cloud.clock.now() + min(kept, LONGEST)})

    def finished(self, run: RunContext, item: Export) -> Sequence[Any]:
        assert item.expires_at is not None
        until = f"{item.expires_at:%Y-%m-%d %H:%M} UTC"
        data: dict[str, str | int] = {"link": item.link, "expires": until, "bytes": item.size}
        return (self._told(run, item, "export_ready", data),)

    def failed(self, run: RunContext, item: Export) -> Sequence[Any]:
        return (self._told(run, item, "export_failed", {"requested": f"{item.requested_at:%Y-%m-%d}"}),)

    def _told(self, run: RunContext, item: Export, template: str, data: Mapping[str, str | int]) -> Any:
        return notifications.notification(
            run.cloud, item.user, f"{self.name}-{item.id}", template, "porter", data, f"export {item.id}"
        )


def _there(run: RunContext, user: str) -> None:
    found = run.cloud.dynamodb.get_item(
        TableName=run.cloud.names.table(tables.USERS.name),
        Key=attributes.row({tables.USERS.pk: user, tables.USERS.sk: "-"}),
        ConsistentRead=True,
    )
    account = attributes.plain(found.get("Item"))
    if not account or "deleted_at" in account:
        raise RequestRefused("the account is gone, and what was in it")


def _page(run: RunContext, table: tables.Table, user: str, after: str) -> list[dict[str, Any]]:
    start: dict[str, Any] = {"ExclusiveStartKey": attributes.row({table.pk: user, table.sk: after})} if after else {}
    answer = run.cloud.bulk.query(
        TableName=run.cloud.names.table(table.name),
        KeyConditionExpression=f"{table.pk} = :user",
        ExpressionAttributeValues=attributes.row({":user": user}),
        ConsistentRead=True,
        Limit=PAGE,
        **start,
    )
    return [attributes.plain(item) for item in answer["Items"]]


def _put(run: RunContext, key: str, body: bytes) -> None:
    run.cloud.s3.put_object(Bucket=run.cloud.names.bucket, Key=key, Body=body, ServerSideEncryption="AES256")


def _kept(run: RunContext, item: Export, table: tables.Table) -> Iterator[dict[str, Any]]:
    """Rows as they were read, one part in memory at a time."""
    for number in range(item.parts.get(table.name, 0)):
        key = part_of(item.user, item.id, table.name, number)
        body = run.cloud.s3.get_object(Bucket=run.cloud.names.bucket, Key=key)["Body"].read()
        yield from map(json.loads, body.splitlines())


def _rows(run: RunContext, item: Export, table: tables.Table) -> Iterator[dict[str, Any]]:
    """The same as their user is given them."""
    hidden = WITHHELD.get(table.name)
    for row in _kept(run, item, table):
        shown = {"id": row[table.sk], **{name: row[name] for name in row if name not in (table.pk, table.sk, *OURS)}}
        yield _withheld(shown, hidden) if hidden else shown


def _withheld(row: dict[str, Any], path: str) -> dict[str, Any]:
    """path: an attribute, or one of a map: `data.link`."""
    name, _, rest = path.partition(".")
    if name not in row:
        return row
    if rest:
        return {**row, name: _withheld(row[name], rest)}
    return {**row, name: f"sha256:{sha256(json.dumps(row[name]).encode()).hexdigest()}"}


def _messages(run: RunContext, item: Export, archive: Archive) -> Iterator[str]:
    """Messages as they came, into the archive; yields the names of those that are not there any more.

    The next ones are asked for meanwhile and streamed in their turn: S3 takes longer to begin than to send one.
    """
    pool = ThreadPoolExecutor(AHEAD, "messages")
    asked: deque[tuple[str, Future[Any]]] = deque()
    try:
        for raw in _named(run, item):
            asked.append((raw, pool.submit(_opened, run, raw)))
            if len(asked) > AHEAD:
                yield from _packed(archive, *asked.popleft())
        while asked:
            yield from _packed(archive, *asked.popleft())
    finally:
        # What raised in between does not wait for what nobody will read.
        pool.shutdown(wait=False, cancel_futures=True)


def _named(run: RunContext, item: Export) -> Iterator[str]:
    done: set[str] = set()
    for table in TABLES:
        for row in _kept(run, item, table):
            raw = row.get("raw")
            if isinstance(raw, str) and raw.startswith(tables.RAW) and raw not in done:
                done.add(raw)
                yield raw


def _opened(run: RunContext, raw: str) -> Any:
    """What can be read of it; None where it is gone."""
    try:
        return run.cloud.s3.get_object(Bucket=run.cloud.names.bucket, Key=raw)["Body"]
    except run.cloud.s3.exceptions.ClientError as error:
        # Without permission to list, S3 says 403 for what is not there.
        if error.response["ResponseMetadata"]["HTTPStatusCode"] not in (403, 404):
            raise
        return None


def _packed(archive: Archive, raw: str, asked: Future[Any]) -> Iterator[str]:
    body = asked.result()
    if body is None:
        yield raw
        return
    with archive.member(f"messages/{raw.removeprefix(tables.RAW).strip('/').replace('..', '_')}") as file:
        for chunk in body.iter_chunks(CHUNK):
            file.write(chunk)
