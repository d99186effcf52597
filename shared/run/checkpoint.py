"""Checkpoints, in the claim item or in rows of their own.

Ticks share one checkpoint, since the next tick does what the last one left. A plan and a manual run do work of their
own: each has a row, which no other run reads or overwrites.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared.store import keys, table
from shared.store.fencing import Fenced
from shared.tables import STATE, TTL

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

# Bytes. An item over 1,024 bytes doubles the price of every write to it; names, keys and status take up to about 840.
INLINE_CHECKPOINT = 180
# For a job with a budget, whose usage is in the item too.
INLINE_BESIDE_A_BUDGET = 16
# The TTL of rows that were superseded; a job that continues after longer than this starts over, which is idempotent.
RETENTION = timedelta(days=90)
# The text in the claim item that refers to a row begins with it; the fence of the writer follows.
REFERENCE = "@"


def store(cloud: Cloud, job: str, target: str, fence: int, checkpoint: Any, inline: int = INLINE_CHECKPOINT) -> str:
    """Return the text for the claim item.

    A checkpoint over `inline` bytes is written to its row first.
    """
    text = json.dumps(checkpoint, separators=(",", ":"))
    if len(text.encode()) <= inline:
        return text
    key = keys.checkpoint(job, target, fence)
    expires = int((cloud.clock.now() + RETENTION).timestamp())
    table.put(cloud, STATE, {**key.attributes, "checkpoint": text, TTL: expires})
    return f"{REFERENCE}{fence}"


def load(cloud: Cloud, job: str, target: str, text: str | None) -> Any:
    """Return the checkpoint from the text in the claim item, or None."""
    if text and text.startswith(REFERENCE):
        text = table.get(cloud, STATE, keys.checkpoint(job, target, int(text[1:]))).get("checkpoint")
    return json.loads(text) if text else None


@dataclass(frozen=True, slots=True)
class Place:
    """The row with the checkpoint of a plan or a manual run."""

    cloud: Cloud
    job: str
    target: str
    #: See `Firing.place`.
    place: str
    #: Fencing token of the run that reads or writes it.
    fence: int

    @property
    def key(self) -> keys.RowKey:
        return keys.own_checkpoint(self.job, self.target, self.place)

    def load(self) -> Any:
        """Return the checkpoint, or None."""
        text = table.get(self.cloud, STATE, self.key).get("checkpoint")
        return json.loads(text) if text else None

    def put(self, checkpoint: Any) -> str:
        """Write the checkpoint, over that of an earlier fence only. Raises Fenced."""
        text = json.dumps(checkpoint, separators=(",", ":"))
        expires = int((self.cloud.clock.now() + RETENTION).timestamp())
        row = {**self.key.attributes, "checkpoint": text, "fence": self.fence, TTL: expires}
        condition = "attribute_not_exists(fence) OR fence <= :fence"
        try:
            table.put_if(self.cloud, STATE, row, condition, {":fence": self.fence})
        except table.ConditionFailed:
            raise Fenced(f"{self.job} {self.target}: a later run has the checkpoint {self.place}") from None
        return text

    def delete(self) -> None:
        """Delete the row of work that is done."""
        table.delete(self.cloud, STATE, self.key)
