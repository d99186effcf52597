"""A process of a simulation, which waits while others run."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from greenlet import greenlet

from proof.simulation.fate import CallEnd, CallFate
from proof.world.aws_errors import client_error, no_answer
from proof.world.process import CALL_TIME, Process
from shared.clock import Clock
from shared.deadline import DeadlineExceeded

if TYPE_CHECKING:
    from proof.simulation.simulated_world import SimulatedWorld

# Seconds between two tries of the SDK.
BACKOFF = 0.2
THROTTLED = {"dynamodb": "ProvisionedThroughputExceededException", "lambda": "TooManyRequestsException"}


class InstanceClock(Clock):
    """Clock of one instance, which may be ahead or behind."""

    def __init__(self, world: SimulatedWorld, skew: float) -> None:
        self.world = world
        self.skew = timedelta(seconds=skew)

    def now(self) -> datetime:
        return self.world.clock.now() + self.skew

    def sleep(self, seconds: float) -> None:
        self.world.current.wait(seconds)


class SimulatedProcess(Process):
    """One process. Its calls meet the disturbances of the world."""

    world: SimulatedWorld

    def __init__(self, world: SimulatedWorld, job: str, timeout: int, time: Clock) -> None:
        super().__init__(world, job, timeout)
        self.clock = time
        #: Stopped and continued from outside: it has no time limit from then on.
        self.thawed = False
        #: The code of the process; it runs while the world waits for it.
        self.turn: greenlet | None = None

    def call(self, name: str, perform: Callable[[], Any], attempts: int) -> Any:
        """Make one call, as the SDK does, with up to `attempts` tries."""
        self._check_time()
        self.calls.append(name)
        self.world.clock.instant += CALL_TIME
        error: Exception = no_answer()
        for attempt in range(1, attempts + 1):
            fate = self.world.fate(self.job, name)
            self._pass(fate.before, fate)
            if fate.end is CallEnd.ENDS_BEFORE:
                self.end(silent=fate.silent)
            if fate.end is CallEnd.ANSWERED:
                return self._answered(perform, fate)
            error = self._failed(name, perform, fate)
            self._pass(fate.after, fate)
            if attempt < attempts:
                self.wait(BACKOFF * attempt)
        raise error

    def wait(self, seconds: float) -> None:
        """Let the others run for so long. Raises ProcessEnded."""
        until = self.world.clock.now() + timedelta(seconds=seconds)
        limit = until if self.thawed else min(until, self.stopped_at)
        self.world.others_until(self, limit)
        if limit < until or self.ended:
            self.end()

    def _answered(self, perform: Callable[[], Any], fate: CallFate) -> Any:
        try:
            return perform()
        finally:
            # A refusal takes as long to arrive as another response.
            if fate.after:
                self._pass(fate.after, fate)
                self._check_work()

    def _failed(self, name: str, perform: Callable[[], Any], fate: CallFate) -> Exception:
        service, _, operation = name.partition(":")
        if fate.end in (CallEnd.REPLY_LOST, CallEnd.ENDS_AFTER):
            # Its response is lost, whatever it says.
            with suppress(ClientError):
                perform()
            if fate.end is CallEnd.ENDS_AFTER:
                self.end(silent=fate.silent)
            return no_answer()
        if fate.end is CallEnd.THROTTLED:
            return client_error(operation, THROTTLED.get(service, "ThrottlingException"), "too many calls", 400)
        if fate.end is CallEnd.UNAVAILABLE:
            return client_error(operation, "ServiceUnavailable", "the service is not available", 503)
        return no_answer()

    def _pass(self, seconds: float, fate: CallFate) -> None:
        if not seconds:
            return
        self.thawed = self.thawed or fate.frozen
        self.wait(seconds)

    def _check_work(self) -> None:
        """Raise DeadlineExceeded as the signal does, within a call too."""
        if self._work_until is not None and self.world.clock.now() >= self._work_until:
            self._work_until = None
            raise DeadlineExceeded("the deadline passed")

    def _wait(self, seconds: float) -> None:
        self.wait(seconds)

    def _frozen(self) -> bool:
        return self.thawed
