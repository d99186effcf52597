from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from functions.accounts._keys import folder_of
from shared import clock
from shared.archetypes.pipeline import Continue, Pipeline, StepDone
from shared.archetypes.purge.dependents import Dependents
from shared.aws import attributes
from shared.job import RunContext, delete_objects, every, list_objects, natural, read_rows, tables, write_rows
from shared.job.policies import WEBHOOK_ITEM
from shared.product import audit_trail
from shared.store import bulk_delete, put_if_absent
from shared.store.age_index import Row

if TYPE_CHECKING:
    from shared.product.records.accounts import Deletion

# What opens an account, and the archives of all that is in it.
ACCESS = (tables.SESSIONS, tables.MAGIC_LINKS, tables.VERIFICATIONS, tables.EXPORTS)
# What a user had set up goes before what came of it; who they were goes last, and this job's own row stays.
FIRST = (*ACCESS, tables.ALIASES, tables.DESTINATIONS, tables.DOMAINS, tables.WEBHOOKS)
ORDER = (
    *FIRST,
    *(table for table in tables.MAIL if table not in (*FIRST, tables.USERS, tables.DELETIONS)),
    tables.USERS,
)
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
    table = tables.DELETIONS
    record = "shared.product.records.accounts.Deletion"
    steps: ClassVar[Mapping[str, int]] = {"closing": 10, "counting": 15, "erasing": 80, "settling": 100}
    delays = WEBHOOK_ITEM
    persistent = True
    retention = "critical"
    idempotency = natural("what is deleted is not found again; what was counted was counted before anything went")
    permissions = (
        *(read_rows(table.name) for table in ORDER),
        *(write_rows(table.name) for table in ORDER),
        delete_objects(f"{tables.RAW}*"),
        delete_objects(f"{tables.EXPORTED}*"),
        list_objects(f"{tables.EXPORTED}*"),
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
            TableName=run.cloud.names.table(tables.USERS.name),
            Key=attributes.row({tables.USERS.pk: user, tables.USERS.sk: "-"}),
            UpdateExpression="SET deleted_at = :now",
            ConditionExpression="attribute_exists(pk) AND attribute_not_exists(deleted_at)",
            ExpressionAttributeValues=attributes.row({":now": clock.iso(run.cloud.clock.now())}),
        )
    except run.cloud.ConditionalCheckFailed:
        # Closed before, or gone: either way nobody signs in.
        return


def _counted(run: RunContext, item: Deletion, tables: Sequence[tables.Table]) -> Mapping[str, int]:
    found = {table.name: sum(_counts(run, table, item.user)) for table in tables}
    return {**item.deleted, **{name: count for name, count in found.items() if count}}


def _counts(run: RunContext, table: tables.Table, user: str) -> Iterator[int]:
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


def _page(run: RunContext, table: tables.Table, user: str, after: str) -> list[Row]:
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


def _of(run: RunContext, table: tables.Table, user: str) -> dict[str, Any]:
    asked: dict[str, Any] = {
        "KeyConditionExpression": f"{table.pk} = :user",
        "ExpressionAttributeValues": attributes.row({":user": user}),
    }
    if table is tables.AUDIT:
        asked["FilterExpression"] = "NOT (begins_with(#action, :own) AND #actor = :job)"
        asked["ExpressionAttributeNames"] = {"#action": "action", "#actor": "actor"}
        asked["ExpressionAttributeValues"] |= attributes.row({":own": OWN, ":job": run.job.name})
    return asked


def _erase(run: RunContext, table: tables.Table, found: Sequence[Row]) -> None:
    """Files first: whatever dies in between leaves the rows by which they are found again."""
    named = [str(row.item["raw"]) for row in found if str(row.item.get("raw", "")).startswith(tables.RAW)]
    _erase_objects(run, named)
    if table is tables.EXPORTS:
        _erase_exports(run, found[0].pk)
    bulk_delete.delete_rows(run.cloud, table, [row.key for row in found])


def _erase_exports(run: RunContext, user: str) -> None:
    """Archives, and what they are made of, whatever their rows say."""
    pages = run.cloud.s3.get_paginator("list_objects_v2").paginate(
        Bucket=run.cloud.names.bucket, Prefix=folder_of(user)
    )
    for page in pages:
        _erase_objects(run, [found["Key"] for found in page.get("Contents", [])])


def _erase_objects(run: RunContext, named: Sequence[str]) -> None:
    Dependents({"key": ""}).delete(run.cloud, [Row("", "", "", "", {"key": key}) for key in named])
