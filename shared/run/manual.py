"""Manual runs: one row per request.

It makes a repeated request one run, and shows how that run ended.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from shared import clock
from shared.job.definition import Job
from shared.job.lease_margin import lease_seconds
from shared.job.outcome import Outcome, Reason
from shared.redaction import SHORT, excerpt
from shared.run.claim_refusal import ClaimRefusal
from shared.run.firing import Firing
from shared.run.status import explanation
from shared.store import keys, table
from shared.store.table import ConditionFailed
from shared.tables import STATE, TTL

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

# How long a request is known, and a repeat of it recognised.
RETENTION = timedelta(days=1)
# Manual runs of one job that are admitted per minute.
RATE_LIMIT = 10


class ManualRequest:
    """One request for a manual run of a job."""

    def __init__(self, cloud: Cloud, job: Job, firing: Firing) -> None:
        self.cloud = cloud
        self.job = job
        self.firing = firing
        self.key = keys.manual_request(job.name, firing.id)

    def take(self, run: str) -> ClaimRefusal | None:
        """Take the request for `run`; the refusal where another run serves it.

        A later turn takes it over: the next part, a retry, a firing that was deferred. So does the successor of an
        interrupted run.
        """
        now = self.cloud.clock.now()
        row = {
            **self.key.attributes,
            "run": run,
            "turn": self.firing.turn,
            "lease_until": clock.milliseconds(now) + lease_seconds(self.job.timeout, self.cloud.environment) * 1000,
            TTL: int((now + RETENTION).timestamp()),
        }
        try:
            table.put_if(
                self.cloud,
                STATE,
                row,
                "attribute_not_exists(pk) OR turn < :turn OR (attribute_not_exists(outcome) AND lease_until < :now)",
                {":turn": self.firing.turn, ":now": clock.milliseconds(now)},
                won=lambda item: item.get("run") == run,
            )
        except ConditionFailed as refused:
            winner = refused.item.get("run", "")
            return ClaimRefusal(Reason.DEDUPLICATED, winner, note=f"this request is served by run {winner}")
        return None

    def admit(self) -> bool:
        """Count this request against the minute's limit; False over it.

        A lost reply may count a request twice, which errs on the safe side.
        """
        now = self.cloud.clock.now()
        return table.update_if(
            self.cloud,
            STATE,
            keys.manual_rate(self.job.name, clock.minute(now)),
            "ADD asked :one SET #expires = :expires",
            {":one": 1, ":limit": RATE_LIMIT, ":expires": int((now + RETENTION).timestamp())},
            "attribute_not_exists(asked) OR asked < :limit",
            names={"#expires": TTL},
        )

    def end(self, run: str, outcome: Outcome, ms: int) -> None:
        """Write the outcome for the caller that waits.

        The row of a later run of the request is left alone.
        """
        values = {":run": run, ":outcome": outcome.word, ":ok": outcome.ok, ":ms": ms}
        table.update_if(
            self.cloud,
            STATE,
            self.key,
            "SET outcome = :outcome, ok = :ok, ms = :ms, note = :note",
            {**values, ":note": excerpt(explanation(outcome), SHORT)},
            "#run = :run",
            names={"#run": "run"},
        )
