"""Ticker: fires the deployed rules and schedules on the minute.

ministack's own ticker is up to ten seconds late, has no time zones, and does not use the asynchronous path, so that
failures would be lost.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

from local.clock import RealClock, TickerClock, VirtualClock
from local.scheduler.schedules import Source, deployed

LOG = logging.getLogger(__name__)
MINUTE = timedelta(minutes=1)
# A rule that changes later than this before the minute counts from the next one. AWS documents "within a minute".
READ_AHEAD = timedelta(seconds=5)


class Ticker:
    """Fires schedules. `clients(service)` returns a boto3 client of the engine."""

    def __init__(self, clients: Callable[[str], Any], clock: TickerClock | None = None) -> None:
        made = {service: clients(service) for service in ("events", "scheduler", "lambda", "sqs", "sns")}
        self.clients: Callable[[str], Any] = made.__getitem__
        self.clock = clock or RealClock()
        self._stop = threading.Event()
        self._deliveries = ThreadPoolExecutor(32, thread_name_prefix="delivery")

    def sources(self) -> list[Source]:
        """Every scheduled rule and schedule, as deployed now. Raises UnknownTarget and ExpressionError."""
        return deployed(self.clients("events"), self.clients("scheduler"))

    def fire(self, name: str, at: datetime | None = None) -> bool:
        """Fire one rule or schedule now; whether its targets accepted it.

        Raises KeyError.
        """
        sources = {source.name: source for source in self.sources()}
        if name not in sources:
            deployed = ", ".join(sorted(sources)) or "none"
            raise KeyError(f"no rule or schedule {name!r} is deployed; deployed are: {deployed}")
        if not sources[name].enabled:
            raise ValueError(f"{name} is disabled: nothing would fire it")
        return self._fire([sources[name]], _minute(at or self.clock.now()))

    def advance(self, until: datetime) -> None:
        """Move a virtual clock to `until`, firing due schedules in order."""
        if not isinstance(self.clock, VirtualClock):
            raise TypeError("only a virtual clock can be advanced")
        while True:
            sources = self.sources()
            times = [time for source in sources if (time := source.next_after(self.clock.now()))]
            minute = min(times, default=None)
            if minute is None or minute > until:
                break
            self.clock.wait_until(minute, self._stop)
            self._fire([source for source in sources if source.due(minute)], minute)
        self.clock.wait_until(until, self._stop)

    def run(self) -> None:
        """Fire every minute until `stop`.

        Minutes during which the machine slept are skipped.
        """
        while True:
            minute = _minute(self.clock.now()) + MINUTE
            if not self.clock.wait_until(minute - READ_AHEAD, self._stop):
                return
            try:
                due = [source for source in self.sources() if source.due(minute)]
            except Exception:
                LOG.exception("the rules could not be read; nothing fires at %s", minute)
                due = []
            if not self.clock.wait_until(minute, self._stop):
                return
            if self.clock.now() - minute < MINUTE:
                self._fire(due, minute, wait=False)

    def stop(self) -> None:
        self._stop.set()
        self._deliveries.shutdown(wait=False, cancel_futures=True)

    def _fire(self, sources: list[Source], minute: datetime, wait: bool = True) -> bool:
        deliveries = [
            self._deliveries.submit(target.deliver, self.clients, self.clock)
            for source in sources
            for target in source.targets(minute)
        ]
        # In order if the caller waits. A failed delivery must not prevent the next one.
        for delivery in deliveries:
            delivery.add_done_callback(_report)
        accepted = [delivery.result() for delivery in deliveries] if wait else []
        return all(accepted)


def _report(delivery: Future[bool]) -> None:
    if not delivery.cancelled() and (error := delivery.exception()):
        LOG.error("a delivery was lost", exc_info=error)


def _minute(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(second=0, microsecond=0)
