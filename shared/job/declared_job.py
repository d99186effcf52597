"""A job as the manifest declares it, for functions without its code."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from shared.job import manifest, schedule
from shared.job.manifest import Entry
from shared.job.retry import RetryPolicy
from shared.job.schedule import CatchUp, Schedule


class DeclaredJob:
    """The attributes of a Job that pausing, explaining and settling read."""

    def __init__(self, name: str, entry: Entry, effects: timedelta | None = None) -> None:
        self.name = name
        self.entry = entry
        self.id = entry["id"]
        self.group = entry["group"]
        self.key = entry["key"]
        self.env = name.upper().replace("-", "_")
        self.queue = entry["queue"]
        self.shards = entry["shards"]
        self.lease_per_target = entry["lease_per_target"]
        self.collector = entry["collector"]
        self.timeout = entry["timeout"]
        self.grace = entry["grace"]
        self.retention = entry["retention"]
        self.effects = effects

    @property
    def retry(self) -> RetryPolicy:
        return manifest.policy(self.entry)

    def schedules(self) -> tuple[Schedule, ...]:
        return tuple(schedule.read(text) for text in self.entry["schedules"])

    def next_tick(self, now: datetime) -> datetime | None:
        """The next tick of any of its schedules; None without a schedule."""
        return min((next(schedule.after(now)) for schedule in self.schedules()), default=None)

    def catches_up(self) -> CatchUp:
        return CatchUp(self.entry["catch_up"])

    def dead_queue(self) -> str | None:
        return f"{self.queue}-dlq" if self.queue else None

    def allowance(self, environment: Mapping[str, str]) -> Any:
        """None: a budget is declared in code, which is not here."""
        return None
