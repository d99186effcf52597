"""Storms: disturbances of functions that work."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from signal import SIGCONT, SIGKILL, SIGSTOP
from threading import Event, Thread

from proof.storm.faulty_proxy import CALM, Faults
from proof.storm.small_disk import fill
from proof.storm.storm_cloud import CONSUMERS, SWEEP, StormCloud, signal_group
from proof.storm.work import Work
from shared.job.lease_margin import lease_seconds
from shared.job.registry import jobs

# Seconds between two ticks of the sweep.
TICK = 2.0
# Mean seconds between two kills.
KILL = 0.3
# Functions at the same time; the others wait in Lambda's queue, as beyond an account's limit.
CONCURRENCY = 16
# Seconds until all deliveries of a tick must be in the history.
DELIVERY_SECONDS = 900


@dataclass(frozen=True, slots=True)
class Size:
    """How much of each storm."""

    duplicates: int = 200
    kills: int = 500
    freezes: int = 4
    #: Pieces of work while requests fail.
    pieces: int = 60
    #: Whether frozen runs stay frozen past their lease of five minutes, and not only past the visibility timeout.
    past_lease: bool = True


@dataclass(slots=True)
class Storm:
    """The parts that storms act upon."""

    cloud: StormCloud
    work: Work
    size: Size
    drawn: Random
    #: Found by the storm itself.
    violations: list[str] = field(default_factory=list)

    def duplicates(self) -> str:
        """Deliver one tick many times at once, with work for it."""
        functions, name = self.cloud.functions, self.cloud.names.function(SWEEP)
        functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=CONCURRENCY)
        self.work.send(10)
        payload = self.cloud.next_tick()
        for _ in range(self.size.duplicates):
            self.cloud.invoke(SWEEP, payload)
        recorded = self.wait(lambda: self.work.deliveries(payload) >= self.size.duplicates, DELIVERY_SECONDS)
        functions.delete_function_concurrency(FunctionName=name)
        if not recorded or self.work.deliveries(payload) != self.size.duplicates:
            found = self.work.deliveries(payload)
            self.violations.append(f"silent: {found} of {self.size.duplicates} deliveries of a tick are recorded")
        return f"{self.size.duplicates} deliveries"

    def kills(self) -> str:
        """Kill processes at random times while they work."""
        killed = 0
        with self.ticks():
            while killed < self.size.kills:
                self.work.send()
                time.sleep(self.drawn.expovariate(1 / KILL))
                if busy := self.cloud.busy():
                    killed += signal_group(self.drawn.choice(busy).pid, SIGKILL)
        return f"{killed} kills"

    def freezes(self) -> str:
        """Stop processes until others have their lease or messages.

        Then they continue.
        """
        frozen: dict[str, int] = {}
        with self.ticks():
            for job in (SWEEP, *CONSUMERS)[: self.size.freezes]:
                self.work.send(5)
                if pid := self._freeze(job):
                    frozen[job] = pid
            self.work.send(5)
            lease = lease_seconds(jobs()[SWEEP].timeout, {}) if self.size.past_lease else 0
            time.sleep(max(lease, self.cloud.visibility) + 5)
            thawed = [job for job, pid in frozen.items() if signal_group(pid, SIGCONT)]
        return f"{len(thawed)} continued: {', '.join(thawed)}"

    def throttling(self) -> str:
        """Refuse half of all requests."""
        return self._under(Faults(throttled=0.5))

    def errors(self) -> str:
        """Fail a fifth of all requests.

        Half of them are performed nevertheless.
        """
        return self._under(Faults(failed=0.2))

    def latency(self) -> str:
        """Delay each request by two seconds."""
        return self._under(Faults(latency=2.0))

    def everything(self) -> str:
        """Kill processes while requests are throttled, fail and are late."""
        self.cloud.proxy.faults = Faults(throttled=0.2, failed=0.1, latency=0.2)
        done = self.kills()
        self.cloud.proxy.faults = CALM
        return done

    def disk(self) -> str:
        """Fill the disk of functions and engine while they work."""
        if self.cloud.no_small_disk:
            return f"skipped: {self.cloud.no_small_disk}"
        filler = self.cloud.cloud.folder / "filler"
        with self.ticks():
            self.work.send(5)
            filled = fill(filler)
            for _ in range(self.size.pieces):
                self.work.send()
                time.sleep(self.drawn.uniform(0, 1))
            filler.unlink()
        # The engine stores its state again; it raises where it cannot.
        self.cloud.engine.save()
        return f"{filled} MB filled"

    def _under(self, faults: Faults) -> str:
        proxy = self.cloud.proxy
        before = proxy.counts.copy()
        proxy.faults = faults
        with self.ticks():
            for _ in range(self.size.pieces):
                self.work.send()
                time.sleep(self.drawn.uniform(0, 1))
        proxy.faults = CALM
        counts = proxy.counts - before
        return f"{counts.total()} requests, {counts.total() - counts['forwarded']} with a fault"

    def _freeze(self, job: str) -> int:
        """Stop a running process of a job.

        Returns its number, or 0 if none runs for a minute.
        """
        name, until = self.cloud.names.function(job), time.monotonic() + 60
        while time.monotonic() < until:
            for pid in [each.pid for each in self.cloud.busy() if each.function == name]:
                signal_group(pid, SIGSTOP)
                # It may have ended its work before, and is frozen like any idle process.
                if pid in [each.pid for each in self.cloud.busy()]:
                    return pid
            time.sleep(0.02)
        return 0

    @contextmanager
    def ticks(self) -> Iterator[None]:
        """Fire the sweep's ticks in the meantime."""
        stop = Event()

        def fire() -> None:
            while not stop.wait(TICK):
                self.cloud.invoke(SWEEP, self.cloud.next_tick())

        thread = Thread(target=fire, name="ticks", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def settle(self, seconds: float) -> bool:
        """Fire ticks until everything is quiet; whether it became so in time."""
        with self.ticks():
            settled = self.wait(lambda: not self.cloud.waiting() and not self.work.queued(), seconds)
        return self.wait(lambda: not self.cloud.busy() and not self.cloud.waiting(), 120) and settled

    @staticmethod
    def wait(condition: Callable[[], bool], seconds: float) -> bool:
        """Wait until a condition holds twice in a row.

        False if it does not in time.
        """
        until, times = time.monotonic() + seconds, 0
        while time.monotonic() < until:
            times = times + 1 if condition() else 0
            if times == 2:
                return True
            time.sleep(0.2)
        return False


STORMS: dict[str, Callable[[Storm], str]] = {
    "duplicates": Storm.duplicates,
    "kills": Storm.kills,
    "freezes": Storm.freezes,
    "throttling": Storm.throttling,
    "errors": Storm.errors,
    "latency": Storm.latency,
    "everything": Storm.everything,
    "disk": Storm.disk,
}
