"""One process of a function, with its deadline and its fault."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from proof.world.aws_errors import client_error, no_answer
from proof.world.fault import FAILING_SECONDS, OUTAGE_SECONDS, CrashPoint, FaultKind
from shared.clock import Clock
from shared.deadline import DeadlineExceeded

if TYPE_CHECKING:
    from proof.world.world import World

# Virtual time that a call takes.
CALL_TIME = timedelta(milliseconds=2)
# Seconds beyond its timeout for which a frozen process stands still: longer than any lease.
FROZEN_BEYOND = 180


class ProcessEnded(BaseException):
    """The process has ended; no code of it may run."""


class Process:
    """One process. `calls` has the name of each call."""

    def __init__(self, world: World, job: str, timeout: int, fault: CrashPoint | None = None) -> None:
        self.world = world
        self.job = job
        #: The clock that its code reads.
        self.clock: Clock = world.clock
        self.timeout = timeout
        self.stopped_at = world.clock.now() + timedelta(seconds=timeout)
        self.fault = fault
        self.calls: list[str] = []
        #: Numbers of the calls that met a fault.
        self.met: list[int] = []
        self.was_frozen = False
        self.ended = False
        #: Whether the record of the failed invocation is lost with it.
        self.silent = False
        #: The exception that left its handler while it had time; empty without one.
        self.raised = ""
        #: Until when its calls of AWS fail.
        self.failing_until: datetime | None = None
        #: Calls that failed because of the fault.
        self.failed_calls = 0
        self._work_until: datetime | None = None

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Replacement of `shared.deadline.within`, by the virtual clock."""
        before = self._work_until
        self._work_until = self.world.clock.now() + timedelta(seconds=seconds)
        try:
            yield
        finally:
            self._work_until = before

    def call(self, name: str, perform: Callable[[], Any], attempts: int) -> Any:
        """Make one call, which the fault may meet.

        attempts: tries of the SDK in all.
        """
        self._check_time()
        self.calls.append(name)
        self.world.clock.instant += CALL_TIME
        kind = self._meets()
        if kind is not None:
            self._begin(kind)
        if self.failing_until is not None and self.world.clock.now() < self.failing_until:
            self._fail()
        if kind is FaultKind.REPLY_LOST:
            return self._repeat(perform, attempts)
        throttling = self.world.throttling
        result = throttling.perform(self, name, perform) if throttling else perform()
        if kind is FaultKind.DIES_AFTER:
            self.end()
        if kind is FaultKind.NO_REPLY:
            self.wait(FAILING_SECONDS * attempts)
            raise no_answer()
        return result

    def faulted_calls(self) -> list[str]:
        """The calls that met a fault."""
        return [self.calls[number - 1] for number in self.met]

    def left_fault(self) -> CrashPoint | None:
        """The fault that the next process of the job meets."""
        return self.fault.rest(len(self.calls)) if self.fault else None

    def _meets(self) -> FaultKind | None:
        """The fault that meets this call, if any."""
        fault, number = self.fault, len(self.calls)
        if fault is None or number != fault.call:
            return None
        self.met.append(number)
        if fault.then_kind and fault.kind is not FaultKind.FREEZES and not fault.kind.ends_process:
            self.fault = CrashPoint(number + fault.then, fault.then_kind, second=True)
        return fault.kind

    def end(self, *, silent: bool = False) -> None:
        """End the process here."""
        self.ended, self.silent = True, silent
        raise ProcessEnded

    def _check_time(self) -> None:
        now = self.world.clock.now()
        if self.ended:
            raise ProcessEnded
        if now >= self.stopped_at and not self._frozen():
            self.end()
        if self._work_until is not None and now >= self._work_until:
            self._work_until = None
            raise DeadlineExceeded("the deadline passed")

    def _frozen(self) -> bool:
        # A thawed process is not stopped: workers outside of Lambda have no timeout of their own.
        return self.was_frozen

    def _begin(self, kind: FaultKind) -> None:
        match kind:
            case FaultKind.DIES_BEFORE | FaultKind.DIES_SILENTLY:
                self.end(silent=kind is FaultKind.DIES_SILENTLY)
            case FaultKind.FREEZES:
                self.was_frozen = True
                self._leave_fault()
                self.world.go_on_without(self, timedelta(seconds=self.timeout + FROZEN_BEYOND))
            case _ if kind in OUTAGE_SECONDS:
                seconds = OUTAGE_SECONDS[kind]
                now = self.world.clock.now()
                work_ends = self._work_until or self.stopped_at
                self.failing_until = work_ends if seconds is None else now + timedelta(seconds=seconds)

    def _leave_fault(self) -> None:
        """Leave the second fault to a process that runs now."""
        left, self.fault = self.left_fault(), None
        if left:
            self.world.faults.append((self.job, left))

    def _fail(self) -> None:
        self.failed_calls += 1
        self.wait(FAILING_SECONDS)
        # In turn: no answer, which may have been performed, and a clear failure of the service.
        if self.failed_calls % 2:
            raise no_answer()
        raise client_error(self.calls[-1], "ServiceUnavailable", "the service is not available", 503)

    def wait(self, seconds: float) -> None:
        """Let time pass in a call."""
        self.world.clock.sleep(seconds)
        if self.world.clock.now() >= self.stopped_at and not self._frozen():
            self.end()

    def _repeat(self, perform: Callable[[], Any], attempts: int) -> Any:
        """Lose the response of a performed call; the SDK repeats it."""
        perform()
        self.wait(FAILING_SECONDS)
        if attempts == 1:
            raise no_answer()
        return perform()
