"""Do an effect once: the intent, then the call, then its confirmation.

A crash in between leaves an intent of which nobody knows what came of it; the job is asked then, and the call is never
repeated blindly. An effect costs two calls of the store and two write units, a duplicate of it one of each.
"""

from __future__ import annotations

import json
import secrets
import uuid
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared import clock, redaction
from shared.aws import attributes
from shared.aws.names import STATE, Names
from shared.job.effect import LONGEST_KEY, InFlight, NotPerformed
from shared.run.claim import LEASE_MARGIN
from shared.store.fencing import Fenced
from shared.tables import TTL

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.run.context import RunContext

# A partition takes 1,000 writes a second, which are 500 effects. The number must never change: a row is found by it.
SHARDS = 16
# An object costs as much as 8 write units; a result up to this long stays in its row.
INLINE_RESULT = 7 * 1024
NAMESPACE = uuid.UUID("6f1c2d0e-5b0a-4c53-9d5b-2f5e0c7a9f11")

TRIES = 3


class Effects:
    """The effects of one run."""

    def __init__(self, run: RunContext) -> None:
        if run.job.effects is None:
            raise LookupError(f"{run.job.name} declares no effects; say how long they are remembered, as in days(30)")
        self.run = run
        self.cloud = run.cloud
        self.job = run.job
        self.table = run.cloud.names.table(STATE)
        self.lease = run.claims.target if run.claims else ""
        self.fence = run.claim.fence if run.claim else 0
        # By then nobody else could have been given the lease, and Lambda has ended a run that has none.
        self.until = run.started + timedelta(seconds=run.job.timeout + LEASE_MARGIN)

    def perform(self, key: str, do: Callable[[str], Any]) -> Any:
        """See `RunContext.effect`."""
        if not key or len(key.encode()) > LONGEST_KEY:
            raise ValueError(f"an effect's key has 1 to {LONGEST_KEY} bytes, not {len(key.encode())}: {key:.80}")
        mine = secrets.token_hex(8)
        for _ in range(TRIES):
            self._in_time(key)
            found = self._intend(key, mine)
            if "done" in found:
                return self.result(found)
            if not found or found["nonce"] == mine:
                return self._do(key, mine, do)
            self._left_behind(key, found)
            # Few runs meet what another left open; the others do not pay for its import.
            from shared.run import reconcile

            reconcile.ask(self, key, found, mine)
        raise InFlight(key, 1)

    def intent(self, nonce: str) -> dict[str, Any]:
        return {
            "nonce": nonce,
            "run": self.run.run_id,
            "lease": self.lease,
            "fence": self.fence,
            "at": clock.iso(self.cloud.clock.now()),
            "lease_until": clock.milliseconds(self.until),
        }

    def result(self, found: Mapping[str, Any]) -> Any:
        if "object" in found:
            body = self.cloud.s3.get_object(Bucket=self.cloud.names.bucket, Key=found["object"])["Body"].read()
            return json.loads(body)
        return json.loads(found["result"])

    def _in_time(self, key: str) -> None:
        # A lease that ran out may be another run's by now, and what it does we must not do too.
        now = self.cloud.clock.now()
        if now >= self.until:
            raise Fenced(f"{self.job.name}: the lease ran out before {key!r} was begun")
        if now >= self.run.deadline:
            raise NotPerformed(f"{self.job.name}: the run's time was up before {key!r} was begun")

    def _intend(self, key: str, mine: str) -> dict[str, Any]:
        """Write the intent; what stands in its way, or nothing."""
        try:
            self.cloud.dynamodb.put_item(
                TableName=self.table,
                Item=attributes.row({**row_key(self.job.name, key), **self.intent(mine)}),
                # Only what is confirmed expires.
                ConditionExpression="attribute_not_exists(pk) OR #expires < :now",
                ExpressionAttributeNames={"#expires": TTL},
                ExpressionAttributeValues=attributes.row({":now": int(self.cloud.clock.now().timestamp())}),
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self.cloud.ConditionalCheckFailed as error:
            return attributes.plain(error.response.get("Item"))
        return {}

    def _left_behind(self, key: str, found: Mapping[str, Any]) -> None:
        """Raises InFlight unless whoever wrote that intent must be gone."""
        # We hold the lease that it held earlier; where there is no common lease, only time can tell.
        succeeded = self.fence > found["fence"] and self.lease == found["lease"]
        left = (found["lease_until"] - clock.milliseconds(self.cloud.clock.now())) / 1000
        if left >= 0 and not succeeded:
            raise InFlight(key, left + 1)

    def _do(self, key: str, mine: str, do: Callable[[str], Any]) -> Any:
        try:
            # Again: a frozen process thaws anywhere. Between this look and the call nothing of ours can help.
            self._in_time(key)
        except (NotPerformed, Fenced):
            self._release(key, mine)
            raise
        try:
            result = do(token(self.cloud.names, self.job.name, key))
        except NotPerformed:
            self._release(key, mine)
            raise
        except BaseException as error:
            self._abandon(key, mine, error)
            raise
        return self._confirm(key, mine, result)

    def _release(self, key: str, mine: str) -> None:
        with suppress(self.cloud.ConditionalCheckFailed):
            self.cloud.dynamodb.delete_item(
                TableName=self.table,
                Key=attributes.row(row_key(self.job.name, key)),
                ConditionExpression="nonce = :nonce AND attribute_not_exists(done)",
                ExpressionAttributeValues=attributes.row({":nonce": mine}),
            )

    def _abandon(self, key: str, mine: str, error: BaseException) -> None:
        """Say that nobody is at it any more; where that fails too, time will tell."""
        with suppress(Exception):
            self._write(
                key,
                mine,
                "SET lease_until = :zero, #error = :error",
                {":zero": 0, ":error": redaction.excerpt(f"{type(error).__name__}: {error}", redaction.SHORT)},
                {"#error": "error"},
            )

    def _confirm(self, key: str, mine: str, result: Any) -> Any:
        try:
            name, value = keep(self.cloud, self.job.name, key, mine, result)
        except (TypeError, ValueError):
            # It was done all the same.
            self._confirm(key, mine, None)
            raise
        assert self.job.effects is not None
        now = self.cloud.clock.now()
        try:
            self._write(
                key,
                mine,
                "SET done = :done, #kept = :kept, #expires = :expires REMOVE lease_until, #error",
                {":done": clock.iso(now), ":kept": value, ":expires": int((now + self.job.effects).timestamp())},
                {"#kept": name, "#expires": TTL, "#error": "error"},
            )
        except self.cloud.ConditionalCheckFailed:
            self.run.log.error("effect_contested", effect=key, error="another run took it over while it was done")
            raise Fenced(f"{self.job.name}: {key!r} was taken over by another run while it was done") from None
        # As a duplicate will get it: a tuple is a list to both.
        return json.loads(json.dumps(result))

    def _write(self, key: str, mine: str, update: str, values: Mapping[str, Any], names: Mapping[str, str]) -> None:
        # A repeat after a lost reply meets the same nonce and writes the same values.
        self.cloud.dynamodb.update_item(
            TableName=self.table,
            Key=attributes.row(row_key(self.job.name, key)),
            UpdateExpression=update,
            ConditionExpression="nonce = :nonce",
            ExpressionAttributeNames=dict(names),
            ExpressionAttributeValues=attributes.row({**values, ":nonce": mine}),
        )


def row_key(job: str, key: str) -> dict[str, str]:
    return {"pk": f"effect#{job}#{zlib.crc32(key.encode()) % SHARDS:02d}", "sk": key}


def token(names: Names, job: str, key: str) -> str:
    """The idempotency key that goes along: the same on every attempt, another one for every stage, job and key."""
    return str(uuid.uuid5(NAMESPACE, f"{names.account}/{names.of(job)}/{key}"))


def object_key(names: Names, job: str, key: str, nonce: str) -> str:
    return f"effects/{job}/{token(names, job, key)}/{nonce}.json"


def keep(cloud: Cloud, job: str, key: str, nonce: str, result: Any) -> tuple[str, str]:
    """The attribute that says what the result was, and its value. Raises TypeError for what is not JSON data."""
    text = json.dumps(result, separators=(",", ":"))
    if len(text.encode()) <= INLINE_RESULT:
        return "result", text
    # Before the confirmation: who finds the object knows that the call returned, and with what.
    place = object_key(cloud.names, job, key, nonce)
    cloud.s3.put_object(Bucket=cloud.names.bucket, Key=place, Body=text.encode(), ContentType="application/json")
    return "object", place
