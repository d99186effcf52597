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
from shared.archetypes.purge import Dependents, Row
from shared.job import (
    Grant,
    RunContext,
    delete_objects,
    every,
    read_objects,
    read_rows,
    retry_policies,
    settings,
    tables,
    upsert,
)
from shared.product import export_ticket, notifications
from shared.store import table as gateway
from shared.store.keys import ONLY, RowKey

if TYPE_CHECKING:
    from functions.accounts._archive import Archive
    from functions.accounts._portable_names import PortableNames
    from shared.product.records.accounts import Export

TABLES = tuple(table for table in tables.MAIL if table not in (tables.EXPORTS, tables.DELETIONS))
# The bucket's lifecycle rule deletes archives after 14 days.
LONGEST = timedelta(days=7)
KEEP = settings.span("ACCOUNT_EXPORT_KEEP", LONGEST, "How long an export can be downloaded, at most 7 days")
# Attributes that are exported as a hash: credentials, which an export that leaks must not reveal.
HASHED: Mapping[str, str] = {
    **dict.fromkeys((tables.SESSIONS.name, tables.MAGIC_LINKS.name, tables.VERIFICATIONS.name), "id"),
    tables.WEBHOOKS.name: "secrets",
    # The download link of another export.
    tables.NOTIFICATIONS.name: "data.link",
}
# Attributes of indexes and jobs, which are no data of the user.
INTERNAL = frozenset(("aged", "since", "due", "due_at", "v", "going", "fault", "upto"))
PAGE = 500
CHUNK = 1024 * 1024
# Messages that are requested ahead of the one being written.
AHEAD = 8


class AccountExport(Pipeline):
    """Export a user's data to an archive, and notify the user.

    The archive contains JSON, CSV and stored messages.

    Rows are collected page by page into objects. Then the archive is made from them in one run, streamed to S3.
    """

    schedule = every(minutes=5)
    table = tables.EXPORTS
    record = "shared.product.records.accounts.Export"
    steps: ClassVar[Mapping[str, int]] = {"collecting": 60, "packing": 95, "cleaning": 100}
    delays = retry_policies.WEBHOOK_ITEM
    idempotency = upsert(
        "each page and the archive have a key of their own, and the notification is written with the request's end"
    )
    settings = (KEEP, LINK)
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
        """Collect one page of the user's rows.

        The page is of the next table that has any.
        """
        name, _, after = item.cursor.partition("#")
        names = [table.name for table in TABLES]
        start = names.index(name) if name else 0
        if not name:
            _require_user(run, item.user)
        for number, table in enumerate(TABLES[start:], start):
            page = _page(run, table, item.user, after if number == start else "")
            if page:
                written = item.parts.get(table.name, 0)
                body = b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in page)
                _put(run, part_of(item.user, item.id, table.name, written), body)
                fields = {"parts": {**item.parts, table.name: written + 1}}
                return Continue(f"{table.name}#{page[-1]['sk']}", number / len(TABLES), fields=fields)
        return StepDone()

    def packing(self, run: RunContext, item: Export) -> Continue | StepDone:
        """Make the archive in one run.

        The bucket's lifecycle rule removes an upload that was interrupted.
        """
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
            requested = clock.iso(item.requested_at)
            digest = archive.close(user=item.user, asked_at=requested, hashed=HASHED, missing=missing)
        except Exception:
            with suppress(Exception):
                upload.abandon()
            raise
        return StepDone({"archive": key, "size": upload.size, "sha256": digest})

    def cleaning(self, run: RunContext, item: Export) -> StepDone:
        """Delete the collected pages, and create the download link of the archive."""
        _delete_pages(run, item)
        keep: timedelta = run.setting(KEEP.name)
        ticket = export_ticket.Ticket(item.user, item.id, export_ticket.secret())
        fields = {"ticket": ticket.secret, "link": link(run.cloud, run.setting(LINK.name), ticket)}
        return StepDone({**fields, "parts": {}, "expires_at": run.cloud.clock.now() + min(keep, LONGEST)})

    def superseded(self, run: RunContext, item: Export) -> None:
        """Delete the pages of a request that no step reads any more.

        This run may have been frozen while it wrote one, until another run had packed and deleted them.
        """
        row = gateway.get(run.cloud, self.table, RowKey(item.user, item.id))
        if row.get("step") not in ("collecting", "packing"):
            _delete_pages(run, item)

    def finished(self, run: RunContext, item: Export) -> Sequence[Any]:
        assert item.expires_at is not None
        until = f"{item.expires_at:%Y-%m-%d %H:%M} UTC"
        data: dict[str, str | int] = {"link": item.link, "expires": until, "bytes": item.size}
        return (self._notification(run, item, "export_ready", data),)

    def failed(self, run: RunContext, item: Export) -> Sequence[Any]:
        return (self._notification(run, item, "export_failed", {"requested": f"{item.requested_at:%Y-%m-%d}"}),)

    def _notification(self, run: RunContext, item: Export, template: str, data: Mapping[str, str | int]) -> Any:
        return notifications.notification(
            run.cloud, item.user, f"{self.name}-{item.id}", template, "porter", data, f"export {item.id}"
        )


def _require_user(run: RunContext, user: str) -> None:
    account = gateway.get(run.cloud, tables.USERS, RowKey(user, ONLY))
    if not account or "deleted_at" in account:
        raise RequestRefused("the account was deleted")


def _page(run: RunContext, table: tables.Table, user: str, after: str) -> list[dict[str, Any]]:
    """Some of the user's rows with keys beyond `after`."""
    rows, _ = gateway.query_page(
        run.cloud,
        table,
        f"{table.pk} = :user",
        {":user": user},
        start={table.pk: {"S": user}, table.sk: {"S": after}} if after else None,
        patient=True,
        ConsistentRead=True,
        Limit=PAGE,
    )
    return rows


def _put(run: RunContext, key: str, body: bytes) -> None:
    run.cloud.s3.put_object(Bucket=run.cloud.names.bucket, Key=key, Body=body)


def _delete_pages(run: RunContext, item: Export) -> None:
    archive = archive_of(item.user, item.id)
    pages = [key for key in objects_of({"pk": item.user, "sk": item.id, "parts": item.parts}) if key != archive]
    Dependents({"key": ""}).delete(run.cloud, [Row("", "", "", "", {"key": key}) for key in pages])


def _collected(run: RunContext, item: Export, table: tables.Table) -> Iterator[dict[str, Any]]:
    """Yield the collected rows of a table.

    One page is in memory at a time.
    """
    for number in range(item.parts.get(table.name, 0)):
        key = part_of(item.user, item.id, table.name, number)
        body = run.cloud.s3.get_object(Bucket=run.cloud.names.bucket, Key=key)["Body"].read()
        yield from map(json.loads, body.splitlines())


def _rows(run: RunContext, item: Export, table: tables.Table) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table as they are exported."""
    hashed = HASHED.get(table.name)
    internal = (table.pk, table.sk, *INTERNAL)
    for row in _collected(run, item, table):
        exported = {"id": row[table.sk], **{name: row[name] for name in row if name not in internal}}
        yield _with_hash(exported, hashed) if hashed else exported


def _with_hash(row: dict[str, Any], path: str) -> dict[str, Any]:
    """The row with one attribute replaced by its hash.

    `data.link` is an attribute of a map.
    """
    name, _, rest = path.partition(".")
    if name not in row:
        return row
    if rest:
        return {**row, name: _with_hash(row[name], rest)}
    return {**row, name: f"sha256:{sha256(json.dumps(row[name]).encode()).hexdigest()}"}


def _messages(run: RunContext, item: Export, archive: Archive) -> Iterator[str]:
    """Write stored messages to the archive; yield keys of missing ones.

    Messages are requested ahead and written in order: S3 takes longer to begin an answer than to send it.
    """
    from functions.accounts._portable_names import PortableNames

    pool, names = ThreadPoolExecutor(AHEAD, "messages"), PortableNames()
    requested: deque[tuple[str, Future[Any]]] = deque()
    try:
        for raw in _message_keys(run, item):
            requested.append((raw, pool.submit(_open_message, run, raw)))
            if len(requested) > AHEAD:
                yield from _write_message(archive, names, *requested.popleft())
        while requested:
            yield from _write_message(archive, names, *requested.popleft())
    finally:
        # After an error, requested messages are not waited for.
        pool.shutdown(wait=False, cancel_futures=True)


def _message_keys(run: RunContext, item: Export) -> Iterator[str]:
    seen: set[str] = set()
    for table in TABLES:
        for row in _collected(run, item, table):
            raw = row.get("raw")
            if isinstance(raw, str) and raw.startswith(tables.RAW) and raw not in seen:
                seen.add(raw)
                yield raw


def _open_message(run: RunContext, raw: str) -> Any:
    """Body of the message's object; None if it is missing."""
    try:
        return run.cloud.s3.get_object(Bucket=run.cloud.names.bucket, Key=raw)["Body"]
    except run.cloud.s3.exceptions.ClientError as error:
        # Without the right to list, S3 answers 403 for a missing object.
        if error.response["ResponseMetadata"]["HTTPStatusCode"] not in (403, 404):
            raise
        return None


def _write_message(archive: Archive, names: PortableNames, raw: str, requested: Future[Any]) -> Iterator[str]:
    body = requested.result()
    if body is None:
        yield raw
        return
    key = raw.removeprefix(tables.RAW)
    name = names.name(key)
    with archive.member(f"messages/{name}", "" if name == key else raw) as file:
        for chunk in body.iter_chunks(CHUNK):
            file.write(chunk)
