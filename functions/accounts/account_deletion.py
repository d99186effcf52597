from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from functions.accounts._keys import folder_of
from shared import clock
from shared.archetypes.pipeline import Continue, Pipeline, StepDone
from shared.archetypes.purge.dependents import Dependents
from shared.aws import attributes
from shared.job import RunContext, delete_objects, every, list_objects, natural, read_rows, write_rows
from shared.job.retry_policies import WEBHOOK_ITEM
from shared.product import audit_trail
from shared.store import batch_write, bulk_delete, put_if_absent
from shared.store.age_index import Row
from shared.tables import (
    ALIASES,
    AUDIT,
    DELETIONS,
    DESTINATIONS,
    DOMAINS,
    EXPORTED,
    EXPORTS,
    MAGIC_LINKS,
    MAIL,
    RAW,
    SESSIONS,
    USERS,
    VERIFICATIONS,
    WEBHOOKS,
    Table,
)

if TYPE_CHECKING:
    from shared.product.records.accounts import Deletion

# What opens an account, and the archives of all that is in it.
ACCESS = (SESSIONS, MAGIC_LINKS, VERIFICATIONS, EXPORTS)
# What a user had set up goes before what came of it; who they were goes last, and this job's own row stays.
FIRST = (*ACCESS, ALIASES, DESTINATIONS, DOMAINS, WEBHOOKS)
ORDER = (*FIRST, *(table for table in MAIL if table not in (*FIRST, USERS, DELETIONS)), USERS)
PAGE = 250
# Whatever still had the user's rows in hand, a run of 15 minutes or a late writer, is over by then.
GRACE = timedelta(hours=1)
# What this job itself has said of the deletion is its trail, and stays; what others have may say more than that.
OWN = "account.deletion"


class AccountDeletion(Pipeline):
    """Delete an account: access at once, then its user's rows and files; what stays is that it was done.

    It looks once more an hour later, since a job that had read a row before may have written one after. There is no
    way back from the moment on at which it was begun, and it never gives up.
    """

    schedule = every(minutes=1)
    table = DELETIONS
    record = "shared.product.records.accounts.Deletion"
    steps: ClassVar[Mapping[str, int]] = {"closing": 10, "counting": 15, "erasing": 80, "settling": 100}
    delays = WEBHOOK_ITEM
    persistent = True
    retention = "critical"
    idempotency = natural("what is deleted is not found again; what was counted was counted before anything went")
    permissions = (
        *(read_rows(table.name) for table in ORDER),
        *(write_rows(table.name) for table in ORDER),
        delete_objects(f"{RAW}*"),
        delete_objects(f"{EXPORTED}*"),
        list_objects(f"{EXPORTED}*"),
    )

    def closing(self, run: RunContext, item: Deletion) -> Continue | StepDone:
        """Nobody signs in and nothing is forwarded from here on; then whoever is signed in is out."""
        if item.cursor:
            for table in ACCESS:
                while page := _page(run, table, item.user, ""):
                    _erase(run, table, page)
            return StepDone()
        _close(run, item.user)
        begun = audit_trail.put(run.cloud, item.user, f"{OWN}_begun", self.name, item.requested_at, critical=True)
        put_if_absent.put_if_absent(run.cloud, begun)
        return Continue("revoke", 0.5, fields={"deleted": _counted(run, item, ACCESS)})

    def counting(self, run: RunContext, item: Deletion) -> StepDone:
        """Before anything goes, so that a crash in the middle makes no sum smaller."""
        return StepDone({"deleted": _counted(run, item, [table for table in ORDER if table not in ACCESS])})

    def erasing(self, run: RunContext, item: Deletion) -> Continue | StepDone:
        return _erased(run, item)

    def settling(self, run: RunContext, item: Deletion) -> Continue | StepDone:
        if not item.cursor:
            return Continue(f"{ORDER[0].name}#", 0, at=run.cloud.clock.now() + GRACE)
        left = _erased(run, item)
        if isinstance(left, Continue):
            return left
        # An export that was being made has written on, and its row was gone by then.
        _erase_exports(run, item.user)
        # Why they went is theirs to tell, and goes too.
        return StepDone({"reason": ""})

    def finished(self, run: RunContext, item: Deletion) -> Sequence[Any]:
        assert item.completed_at is not None
        data = {"rows": sum(item.deleted.values())}
        at = item.completed_at
        return (audit_trail.put(run.cloud, item.user, f"{OWN}_completed", self.name, at, critical=True, data=data),)


def _close(run: RunContext, user: str) -> None:
    try:
        run.cloud.dynamodb.update_item(
            TableName=run.cloud.names.table(USERS.name),
            Key=attributes.row({USERS.pk: user, USERS.sk: "-"}),
            UpdateExpression="SET deleted_at = :now",
            ConditionExpression="attribute_exists(pk) AND attribute_not_exists(deleted_at)",
            ExpressionAttributeValues=attributes.row({":now": clock.iso(run.cloud.clock.now())}),
        )
    except run.cloud.ConditionalCheckFailed:
        # Closed before, or gone: either way nobody signs in.
        return


def _counted(run: RunContext, item: Deletion, tables: Sequence[Table]) -> Mapping[str, int]:
    found = {table.name: sum(_counts(run, table, item.user)) for table in tables}
    return {**item.deleted, **{name: count for name, count in found.items() if count}}


def _counts(run: RunContext, table: Table, user: str) -> Iterator[int]:
    pages = run.cloud.dynamodb.get_paginator("query").paginate(
        TableName=run.cloud.names.table(table.name), Select="COUNT", ConsistentRead=True, **_of(run, table, user)
    )
    for page in pages:
        yield page["Count"]


def _erased(run: RunContext, item: Deletion) -> Continue | StepDone:
    """A page of one table, or the first page of the next that has any."""
    name, _, after = item.cursor.partition("#")
    names = [table.name for table in ORDER]
    start = names.index(name) if name else 0
    for number, table in enumerate(ORDER[start:], start):
        page = _page(run, table, item.user, after if number == start else "")
        if page:
            _erase(run, table, page)
            return Continue(f"{table.name}#{page[-1].sk}", number / len(ORDER))
    return StepDone()


def _page(run: RunContext, table: Table, user: str, after: str) -> list[Row]:
    """Some of the user's rows with keys beyond `after`; without what is this job's own."""
    start: dict[str, Any] = {"ExclusiveStartKey": attributes.row({table.pk: user, table.sk: after})} if after else {}
    while True:
        answer = run.cloud.bulk.query(
            TableName=run.cloud.names.table(table.name),
            ConsistentRead=True,
            Limit=PAGE,
            **_of(run, table, user),
            **start,
        )
        found = [attributes.plain(row) for row in answer["Items"]]
        if found or "LastEvaluatedKey" not in answer:
            return [Row(row[table.pk], row[table.sk], "", "", row) for row in found]
        start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}


def _of(run: RunContext, table: Table, user: str) -> dict[str, Any]:
    asked: dict[str, Any] = {
        "KeyConditionExpression": f"{table.pk} = :user",
        "ExpressionAttributeValues": attributes.row({":user": user}),
    }
    if table is AUDIT:
        asked["FilterExpression"] = "NOT (begins_with(#action, :own) AND #actor = :job)"
        asked["ExpressionAttributeNames"] = {"#action": "action", "#actor": "actor"}
        asked["ExpressionAttributeValues"] |= attributes.row({":own": OWN, ":job": run.job.name})
    return asked


def _erase(run: RunContext, table: Table, found: Sequence[Row]) -> None:
    """Files first: whatever dies in between leaves the rows by which they are found again."""
    named = [str(row.item["raw"]) for row in found if str(row.item.get("raw", "")).startswith(RAW)]
    _erase_objects(run, named)
    if table is EXPORTS:
        _erase_exports(run, found[0].pk)
    keys = [attributes.row({table.pk: row.pk, table.sk: row.sk}) for row in found]
    for start in range(0, len(keys), batch_write.BATCH):
        bulk_delete.delete(run.cloud, run.cloud.names.table(table.name), keys[start : start + batch_write.BATCH])


def _erase_exports(run: RunContext, user: str) -> None:
    """Archives, and what they are made of, whatever their rows say."""
    pages = run.cloud.s3.get_paginator("list_objects_v2").paginate(
        Bucket=run.cloud.names.bucket, Prefix=folder_of(user)
    )
    for page in pages:
        _erase_objects(run, [found["Key"] for found in page.get("Contents", [])])


def _erase_objects(run: RunContext, named: Sequence[str]) -> None:
    Dependents({"key": ""}).delete(run.cloud, [Row("", "", "", "", {"key": key}) for key in named])
