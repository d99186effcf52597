from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from functions.accounts._keys import folder_of
from shared import clock
from shared.archetypes.pipeline import Continue, Pipeline, StepDone
from shared.archetypes.purge import Dependents, Row
from shared.job import (
    RunContext,
    delete_objects,
    every,
    list_objects,
    natural,
    read_rows,
    retry_policies,
    tables,
    write_rows,
)
from shared.product import audit_trail
from shared.store import bulk_delete, put_if_absent, table
from shared.store.keys import ONLY, RowKey

if TYPE_CHECKING:
    from shared.product.records.accounts import Deletion

# Rows that give access to an account, and archives of its content.
ACCESS = (tables.SESSIONS, tables.MAGIC_LINKS, tables.VERIFICATIONS, tables.EXPORTS)
# Configuration is deleted before the data that it produced, the user row last; this job's own row stays.
FIRST = (*ACCESS, tables.ALIASES, tables.DESTINATIONS, tables.DOMAINS, tables.WEBHOOKS)
ORDER = (
    *FIRST,
    *(each for each in tables.MAIL if each not in (*FIRST, tables.USERS, tables.DELETIONS)),
    tables.USERS,
)
PAGE = 250
# After this time no other run or late writer can still hold rows of the user: a run takes 15 minutes at most.
GRACE = timedelta(hours=1)
# Prefix of this job's own audit entries, which stay; entries of others may contain personal data.
OWN = "account.deletion"


class AccountDeletion(Pipeline):
    """Delete an account: access first, then its rows and files.

    The record of the deletion stays.

    The rows are deleted again an hour later, since a job that had read a row before may have written one after. A
    deletion that has begun cannot be undone, and is retried until it succeeds.
    """

    schedule = every(minutes=1)
    table = tables.DELETIONS
    record = "shared.product.records.accounts.Deletion"
    steps: ClassVar[Mapping[str, int]] = {"closing": 10, "counting": 15, "erasing": 80, "settling": 100}
    delays = retry_policies.WEBHOOK_ITEM
    persistent = True
    retention = "critical"
    idempotency = natural("deleted rows are not found again, and rows are counted before the first is deleted")
    permissions = (
        *(read_rows(each.name) for each in ORDER),
        *(write_rows(each.name) for each in ORDER),
        delete_objects(f"{tables.RAW}*"),
        delete_objects(f"{tables.EXPORTED}*"),
        list_objects(f"{tables.EXPORTED}*"),
    )

    def closing(self, run: RunContext, item: Deletion) -> Continue | StepDone:
        """Close the account to sign-ins and forwards, then delete its sessions."""
        if item.cursor:
            for each in ACCESS:
                while page := _page(run, each, item.user, ""):
                    _delete(run, each, page)
            return StepDone()
        _close(run, item.user)
        begun = audit_trail.put(item.user, f"{OWN}_begun", self.name, item.requested_at, critical=True)
        put_if_absent.put_if_absent(run.cloud, begun)
        return Continue("revoke", 0.5, fields={"deleted": _with_counts(run, item, ACCESS)})

    def counting(self, run: RunContext, item: Deletion) -> StepDone:
        """Count the rows before the first is deleted.

        A crash then does not reduce the counts.
        """
        return StepDone({"deleted": _with_counts(run, item, [each for each in ORDER if each not in ACCESS])})

    def erasing(self, run: RunContext, item: Deletion) -> Continue | StepDone:
        return _delete_next(run, item)

    def settling(self, run: RunContext, item: Deletion) -> Continue | StepDone:
        if not item.cursor:
            return Continue(f"{ORDER[0].name}#", 0, at=run.cloud.clock.now() + GRACE)
        result = _delete_next(run, item)
        if isinstance(result, Continue):
            return result
        # An export in progress may have written objects after its row was deleted.
        _delete_exports(run, item.user)
        # The user's reason for leaving is personal data.
        return StepDone({"reason": ""})

    def finished(self, run: RunContext, item: Deletion) -> Sequence[Any]:
        assert item.completed_at is not None
        data = {"rows": sum(item.deleted.values())}
        at = item.completed_at
        return (audit_trail.put(item.user, f"{OWN}_completed", self.name, at, critical=True, data=data),)


def _close(run: RunContext, user: str) -> None:
    # Nothing is written if the user was closed before or is gone: either way nobody signs in.
    table.update_if(
        run.cloud,
        tables.USERS,
        RowKey(user, ONLY),
        "SET deleted_at = :now",
        {":now": clock.iso(run.cloud.clock.now())},
        "attribute_exists(pk) AND attribute_not_exists(deleted_at)",
    )


def _with_counts(run: RunContext, item: Deletion, of: Sequence[tables.Table]) -> Mapping[str, int]:
    """The request's counts of rows, with those of more tables."""
    counts = {
        each.name: table.count(run.cloud, each, **_query(run, each, item.user), ConsistentRead=True) for each in of
    }
    return {**item.deleted, **{name: count for name, count in counts.items() if count}}


def _delete_next(run: RunContext, item: Deletion) -> Continue | StepDone:
    """Delete one page of rows, of the next table that has any."""
    name, _, after = item.cursor.partition("#")
    names = [each.name for each in ORDER]
    start = names.index(name) if name else 0
    for number, each in enumerate(ORDER[start:], start):
        page = _page(run, each, item.user, after if number == start else "")
        if page:
            _delete(run, each, page)
            return Continue(f"{each.name}#{page[-1].sk}", number / len(ORDER))
    return StepDone()


def _page(run: RunContext, of: tables.Table, user: str, after: str) -> list[Row]:
    """Page of the user's rows with keys beyond `after`.

    This job's own rows are left out.
    """
    start: Any = {of.pk: {"S": user}, of.sk: {"S": after}} if after else None
    while True:
        rows, start = table.query_page(
            run.cloud, of, **_query(run, of, user), start=start, patient=True, ConsistentRead=True, Limit=PAGE
        )
        if rows or not start:
            return [Row(row[of.pk], row[of.sk], "", "", row) for row in rows]


def _query(run: RunContext, of: tables.Table, user: str) -> dict[str, Any]:
    """Query of the user's rows.

    This job's own audit entries are left out.
    """
    values = {":user": user}
    if of is not tables.AUDIT:
        return {"condition": f"{of.pk} = :user", "values": values}
    return {
        "condition": f"{of.pk} = :user",
        "values": {**values, ":own": OWN, ":job": run.job.name},
        "names": {"#action": "action", "#actor": "actor"},
        "FilterExpression": "NOT (begins_with(#action, :own) AND #actor = :job)",
    }


def _delete(run: RunContext, of: tables.Table, rows: Sequence[Row]) -> None:
    """Delete objects before the rows that name them.

    A crash then leaves no object without a row.
    """
    objects = [str(row.item["raw"]) for row in rows if str(row.item.get("raw", "")).startswith(tables.RAW)]
    _delete_objects(run, objects)
    if of is tables.EXPORTS:
        _delete_exports(run, rows[0].pk)
    bulk_delete.delete_rows(run.cloud, of, [row.key for row in rows])


def _delete_exports(run: RunContext, user: str) -> None:
    """Delete all archives of the user and their parts.

    Includes those that no row names.
    """
    pages = run.cloud.s3.get_paginator("list_objects_v2").paginate(
        Bucket=run.cloud.names.bucket, Prefix=folder_of(user)
    )
    for page in pages:
        _delete_objects(run, [each["Key"] for each in page.get("Contents", [])])


def _delete_objects(run: RunContext, keys: Sequence[str]) -> None:
    Dependents({"key": ""}).delete(run.cloud, [Row("", "", "", "", {"key": key}) for key in keys])
