"""Runs asked for by hand: a marker row makes a repeated request one run, and shows how that run ended."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.aws import attributes
from shared.aws.names import STATE
from shared.job.definition import Job
from shared.job.outcome import Outcome, Reason
from shared.redaction import SHORT, excerpt
from shared.run.claim import LEASE_MARGIN, ClaimRefusal
from shared.run.firing import Firing
from shared.run.status import words_of
from shared.tables import TTL

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

KEPT = timedelta(days=1)
PER_MINUTE = 10


def key(job: str, manual_id: str) -> dict[str, Any]:
    return attributes.row({"pk": f"manual#{job}", "sk": manual_id})


class ManualRequest:
    def __init__(self, cloud: Cloud, job: Job, firing: Firing) -> None:
        self.cloud = cloud
        self.job = job
        self.firing = firing
        self.table = cloud.names.table(STATE)

    def take(self, run: str) -> ClaimRefusal | None:
        """None where this run is the one to serve the request; a retry or a dead run's successor may be it too."""
        now = self.cloud.clock.now()
        try:
            self.cloud.dynamodb.put_item(
                TableName=self.table,
                Item=attributes.row(
                    {
                        "pk": f"manual#{self.job.name}",
                        "sk": self.firing.id,
                        "run": run,
                        "attempt": self.firing.sequence,
                        "lease_until": clock.milliseconds(now) + (self.job.timeout + LEASE_MARGIN) * 1000,
                        TTL: int((now + KEPT).timestamp()),
                    }
                ),
                ConditionExpression=(
                    "attribute_not_exists(pk) OR attempt < :attempt"
                    " OR (attribute_not_exists(outcome) AND lease_until < :now)"
                ),
                ExpressionAttributeValues=attributes.row(
                    {":attempt": self.firing.sequence, ":now": clock.milliseconds(now)}
                ),
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self.cloud.ConditionalCheckFailed as error:
            winner = attributes.plain(error.response.get("Item")).get("run", "")
            if winner != run:
                return ClaimRefusal(Reason.DEDUPLICATED, winner, note=f"this request is served by run {winner}")
        return None

    def admit(self) -> bool:
        """Count this request against the minute. A lost reply may count it twice, which errs on the safe side."""
        now = self.cloud.clock.now()
        try:
            self.cloud.dynamodb.update_item(
                TableName=self.table,
                Key=key(self.job.name, f"rate#{clock.minute(now)}"),
                UpdateExpression="ADD asked :one SET #expires = :expires",
                ConditionExpression="attribute_not_exists(asked) OR asked < :limit",
                ExpressionAttributeNames={"#expires": TTL},
                ExpressionAttributeValues=attributes.row(
                    {":one": 1, ":limit": PER_MINUTE, ":expires": int((now + KEPT).timestamp())}
                ),
            )
        except self.cloud.ConditionalCheckFailed:
            return False
        return True

    def end(self, run: str, outcome: Outcome, ms: int) -> None:
        """Show the outcome to whoever waits for it; a later run of the same request is left alone."""
        values = {":run": run, ":outcome": outcome.word, ":ok": outcome.ok, ":ms": ms}
        try:
            self.cloud.dynamodb.update_item(
                TableName=self.table,
                Key=key(self.job.name, self.firing.id),
                UpdateExpression="SET outcome = :outcome, ok = :ok, ms = :ms, note = :note",
                ConditionExpression="#run = :run",
                ExpressionAttributeNames={"#run": "run"},
                ExpressionAttributeValues=attributes.row({**values, ":note": excerpt(words_of(outcome), SHORT)}),
            )
        except self.cloud.ConditionalCheckFailed:
            return
