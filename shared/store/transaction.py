"""TransactWriteItems: several writes, all or none.

The rows may be of several tables. A transaction costs twice the request units.

The SDK sends a ClientRequestToken with each call, so its own retry after a lost reply is answered as the first try was:
transactions need no `won` as the single writes of shared/store/table.py do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shared.aws import attributes

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.store.keys import RowKey
    from shared.tables import Table

CONDITION_FAILED = "ConditionalCheckFailed"
CONFLICT = "TransactionConflict"
# Seconds before a transaction that met another one is repeated; doubled each time.
PAUSE = 0.05


# Each method that a dataclass generates takes a tenth of a millisecond of a cold start: these have __init__ alone.
@dataclass(kw_only=True, eq=False, repr=False)
class Condition:
    """A condition expression with its values, as plain data, and its names."""

    condition: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)

    def request(self) -> dict[str, Any]:
        """Parameters that all four kinds of writes share."""
        request: dict[str, Any] = {}
        if self.condition:
            request |= {"ConditionExpression": self.condition, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        if self.values:
            request["ExpressionAttributeValues"] = attributes.row(self.values)
        if self.names:
            request["ExpressionAttributeNames"] = dict(self.names)
        return request


@dataclass(eq=False, repr=False)
class Put(Condition):
    """Write a row."""

    table: Table
    item: Mapping[str, Any]


@dataclass(eq=False, repr=False)
class Update(Condition):
    """Change attributes of a row with an update expression."""

    table: Table
    key: RowKey
    expression: str


@dataclass(eq=False, repr=False)
class Delete(Condition):
    """Delete a row."""

    table: Table
    key: RowKey


@dataclass(eq=False, repr=False)
class ConditionCheck(Condition):
    """Condition on a row that the transaction does not change."""

    table: Table
    key: RowKey


Write = Put | Update | Delete | ConditionCheck


class TransactionCancelled(Exception):
    """DynamoDB cancelled a transaction, and nothing was written."""

    #: The cancellation code of each write, in their order; "None" for one that would have been accepted.
    codes: tuple[str, ...]
    #: For each write whose condition does not hold the row as it stands; empty for the others and for a missing row.
    items: tuple[dict[str, Any], ...]

    def __init__(self, reasons: Sequence[Mapping[str, Any]]) -> None:
        self.codes = tuple(reason.get("Code", "None") for reason in reasons)
        self.items = tuple(attributes.plain(reason.get("Item")) for reason in reasons)
        messages = [f"{reason.get('Code')}: {reason.get('Message')}" for reason in reasons if reason.get("Message")]
        super().__init__(f"the transaction was cancelled: {'; '.join(messages) or ', '.join(self.codes)}")

    @property
    def condition_failed(self) -> bool:
        """Whether the condition of one of the writes does not hold."""
        return CONDITION_FAILED in self.codes

    @property
    def conflicted(self) -> bool:
        """Whether a concurrent transaction was writing one of the rows."""
        return CONFLICT in self.codes


def write_together(cloud: Cloud, writes: Sequence[Write], *, tries: int = 1, patient: bool = False) -> None:
    """Perform up to 100 writes, each of another row, all or none.

    Raises TransactionCancelled.

    tries: how often it is sent while other transactions are at its rows. patient: through the bulk client, which
    waits longer for an answer and leaves out the check of parameters.
    """
    client = cloud.bulk if patient else cloud.dynamodb
    items: Any = [_item(cloud, write) for write in writes]
    for attempt in range(tries):
        try:
            client.transact_write_items(TransactItems=items)
        except cloud.dynamodb.exceptions.TransactionCanceledException as error:
            cancelled = TransactionCancelled(error.response.get("CancellationReasons", []))
            if not cancelled.conflicted or cancelled.condition_failed or attempt == tries - 1:
                raise cancelled from error
            cloud.clock.sleep(PAUSE * 2**attempt)
        else:
            return


def _item(cloud: Cloud, write: Write) -> dict[str, Any]:
    request: dict[str, Any] = {"TableName": cloud.names.table(write.table.name), **write.request()}
    if isinstance(write, Put):
        return {"Put": {**request, "Item": attributes.row(write.item)}}
    request["Key"] = attributes.row({write.table.pk: write.key.pk, write.table.sk: write.key.sk})
    if isinstance(write, Update):
        request["UpdateExpression"] = write.expression
    return {type(write).__name__: request}
