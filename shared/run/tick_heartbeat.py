"""Heartbeat of a tick: one check for all parts and shards.

A bad end is pinged at once, success when the whole tick is done: it covers no failure of another part.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from shared import clock
from shared.aws.names import NO_TARGET
from shared.job.outcome import Done, Outcome, Snoozed
from shared.observability.heartbeat import FAIL, SUCCESS, Heartbeat
from shared.store import keys, table
from shared.tables import STATE

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.job.manifest import Entry
    from shared.observability.log import Log
    from shared.run.context import RunContext

# Longer than the shards of a tick take, with all their attempts.
SHARDS_RETENTION = timedelta(days=7)


class TickHeartbeat:
    """The pings of one run for the check of its tick."""

    def __init__(self, run: RunContext, url: str) -> None:
        self.run = run
        self.pings = Heartbeat(url, run.log)

    def start(self) -> None:
        """Ping the start of the tick, once for all shards."""
        if self.run.target == NO_TARGET and self.run.firing.part == 0:
            self.pings.start()

    def end(self, outcome: Outcome | None, continues: bool = False) -> None:
        """Ping the end; None for a run that could not be recorded.

        continues: another part of the tick follows.
        """
        self.pings.end(self._signal(outcome, continues))

    def _signal(self, outcome: Outcome | None, continues: bool) -> str | None:
        run = self.run
        if outcome is None or not outcome.ok:
            return FAIL
        in_shards = run.job.shards > 1 and not run.firing.plan
        if isinstance(outcome, Done) and (continues or run.started_shards):
            return None
        if run.target == NO_TARGET:
            return SUCCESS
        if isinstance(outcome, Snoozed) or not in_shards:
            # One target is not the whole tick.
            return None
        return SUCCESS if self._all_shards_done() else None

    def _all_shards_done(self) -> bool:
        """Record this shard as done. Whether all of the tick are."""
        run, shard = self.run, f"shard{self.run.target}"
        values = {":at": clock.iso(run.cloud.clock.now()), ":expires": self._expires()}
        try:
            row = table.update(
                run.cloud,
                STATE,
                keys.heartbeat(run.job.name, _tick(run)),
                "SET #shard = :at, expires = :expires",
                values,
                names={"#shard": shard},
                return_new=True,
            )
        except Exception as error:  # noqa: BLE001 - the monitor reports a check without a ping
            run.log.warning("heartbeat_failed", ping="ok", error=f"{type(error).__name__}: {error}")
            return False
        return all(f"shard{number}" in row for number in range(run.firing.shards or run.job.shards))

    def _expires(self) -> int:
        return int((self.run.cloud.clock.now() + SHARDS_RETENTION).timestamp())


def ping_lost(cloud: Cloud, log: Log, job: str, entry: Entry) -> None:
    """Ping the failure of a run that was interrupted.

    The process need not be one of the job: then the URL is read from the settings of the job's function.
    """
    try:
        url = cloud.environment.get(entry["heartbeat"]) or _deployed(cloud, job).get(entry["heartbeat"])
    except Exception as error:  # noqa: BLE001 - the record of the run is more important
        log.warning("heartbeat_failed", ping=FAIL, error=f"{type(error).__name__}: {error}")
        return
    if url:
        Heartbeat(url, log).end(FAIL)


def _deployed(cloud: Cloud, job: str) -> Mapping[str, str]:
    """Return the settings of the job's function.

    Empty outside Lambda, where the process has the settings of all jobs.
    """
    if "AWS_LAMBDA_FUNCTION_NAME" not in cloud.environment:
        return {}
    functions = cloud.functions
    try:
        config = functions.get_function_configuration(FunctionName=cloud.names.function(job))
    except functions.exceptions.ResourceNotFoundException:
        return {}
    return config.get("Environment", {}).get("Variables", {})


def _tick(run: RunContext) -> str:
    """Return the tick or request to which the shards belong."""
    firing = run.firing
    return f"manual#{firing.id.rpartition('/')[0]}" if firing.manual else clock.minute(firing.at)
