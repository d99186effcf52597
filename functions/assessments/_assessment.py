"""An assessment's row, `<organization>` / `<assessment id>`; and what its calls cost, each counted once.

`<organization>#calls` / `<assessment id>#<attempt>` is a call that was paid for, `<organization>#cost` / `<yyyy-mm>`
the sum of a month.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.aws import attributes
from shared.job import Grant, read_rows
from shared.tables import ASSESSMENTS

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.messages.tenant import Tenant

COMPLETED, FAILED, PROCESSING = "completed", "failed", "processing"
GRANTS = (
    read_rows(ASSESSMENTS.name),
    Grant(("dynamodb:UpdateItem", "dynamodb:PutItem"), f"table/{ASSESSMENTS.name}"),
)


class Overtaken(Exception):
    """Somebody else has completed it meanwhile."""


@dataclass(frozen=True, slots=True)
class Assessment:
    cloud: Cloud
    tenant: Tenant
    id: str

    def find(self) -> dict[str, Any]:
        """The row; empty where there is none."""
        answer = self.cloud.dynamodb.get_item(
            TableName=self._table, Key=attributes.row({"pk": self.tenant.id, "sk": self.id}), ConsistentRead=True
        )
        return attributes.plain(answer.get("Item"))

    def note(self, **values: Any) -> None:
        """Write onto the row, unless it is completed. Raises Overtaken."""
        given = {**values, "changed_at": clock.iso(self.cloud.clock.now())}
        try:
            self.cloud.dynamodb.update_item(
                TableName=self._table,
                Key=attributes.row({"pk": self.tenant.id, "sk": self.id}),
                UpdateExpression=f"SET {', '.join(f'#{name} = :{name}' for name in given)}",
                ConditionExpression="attribute_exists(pk) AND (attribute_not_exists(#state) OR #state <> :completed)",
                ExpressionAttributeNames={"#state": "state", **{f"#{name}": name for name in given}},
                ExpressionAttributeValues=attributes.row(
                    {":completed": COMPLETED, **{f":{name}": value for name, value in given.items()}}
                ),
            )
        except self.cloud.ConditionalCheckFailed:
            raise Overtaken(f"{self.id} is completed") from None

    def pay(self, attempt: int, run: str, said: Mapping[str, Any]) -> None:
        """Record what a call cost, and add it to the organization's month: once, however often it is asked for."""
        now = self.cloud.clock.now()
        call = {"micros": said["micros"], "tokens_read": said["read"], "tokens_written": said["written"]}
        adds = {**call, "calls": 1}
        row = {"pk": self.tenant.key("calls"), "sk": f"{self.id}#{attempt}", "at": clock.iso(now), "run": run, **call}
        try:
            self.cloud.dynamodb.transact_write_items(
                TransactItems=[
                    {
                        "Put": {
                            "TableName": self._table,
                            "Item": attributes.row(row),
                            "ConditionExpression": "attribute_not_exists(pk)",
                        }
                    },
                    {
                        "Update": {
                            "TableName": self._table,
                            "Key": attributes.row({"pk": self.tenant.key("cost"), "sk": f"{now:%Y-%m}"}),
                            "UpdateExpression": f"ADD {', '.join(f'#{name} :{name}' for name in adds)}",
                            "ExpressionAttributeNames": {f"#{name}": name for name in adds},
                            "ExpressionAttributeValues": attributes.row({f":{name}": n for name, n in adds.items()}),
                        }
                    },
                ]
            )
        except self.cloud.dynamodb.exceptions.TransactionCanceledException as error:
            codes = {reason.get("Code") for reason in error.response.get("CancellationReasons", [])}
            if "ConditionalCheckFailed" not in codes:
                raise

    @property
    def _table(self) -> str:
        return self.cloud.names.table(ASSESSMENTS.name)
