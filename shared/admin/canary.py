"""Redrive a group of dead letters as a canary.

One, then ten, then all; it stops if the failure recurs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.admin import audit, redrive
from shared.advised_commands import advised
from shared.aws.names import NO_TARGET
from shared.dead_letters import store
from shared.dead_letters.letter import (
    RESOLVED,
    RETRYING,
    DeadLetter,
    DeadLetterRefused,
    RedriveInProgress,
    UnknownDeadLetter,
)
from shared.job import manifest

if TYPE_CHECKING:
    from shared.admin.audit import OperatorAuditEntry
    from shared.aws.cloud import Cloud

WAVES = (1, 10)
# Dead letters being redriven at once; their rows are read with one BatchGetItem.
MAX_IN_FLIGHT = 100
# This many results in a row that are not `resolved` stop the canary, also with different errors.
MAX_UNRESOLVED = 10
# Seconds between two reads of the rows, growing while there is no new result.
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 2.0

Key = tuple[str, str]


@dataclass(slots=True)
class CanaryReport:
    """The results of a canary."""

    fingerprint: str
    job: str
    #: Dead letters in the group.
    of: int
    sent: int = 0
    resolved: int = 0
    #: Failed again with the same fingerprint.
    repeated: int = 0
    #: Failed again with another one.
    died: int = 0
    #: Not run because of a gate; dead as before.
    kept_out: int = 0
    #: Without a result in time.
    unknown: int = 0
    #: Cannot be redriven.
    unfit: int = 0
    #: Why the first of those cannot.
    why_unfit: str = ""
    #: Why the canary stopped; empty if all were sent.
    stopped: str = ""

    @property
    def ok(self) -> bool:
        return self.resolved == self.of

    def data(self) -> dict[str, Any]:
        return asdict(self)


def select(cloud: Cloud, fingerprint: str, anyway: bool = False) -> list[DeadLetter]:
    """Return the dead letters to redrive, the oldest first.

    anyway: leave out those that are being redriven. Raises UnknownDeadLetter, and RedriveInProgress if some are being
    redriven and `anyway` is false, or all are.
    """
    now = clock.iso(cloud.clock.now())
    matching = store.DeadLetterFilter(fingerprint=fingerprint)
    letters = [letter for letter in store.dead_letters(cloud, matching) if letter.state != RESOLVED] if matching else []
    if not letters:
        raise UnknownDeadLetter(
            f"there is no dead letter of fingerprint {fingerprint!r:.60}; {store.list_hint(cloud.names.stage)}"
        )
    retrying = [letter for letter in letters if letter.is_retrying(now)]
    if retrying and (not anyway or len(retrying) == len(letters)):
        first = retrying[0]
        raise RedriveInProgress(
            f"{len(retrying)} of this group are being redriven: {first.id} was redriven by {first.retried_by} at "
            f"{first.row['retriedAt']}; wait for the result, until {first.retry_ends} at the latest. If no operator is "
            f"working on the group any longer, redrive the others now with --anyway"
        )
    return sorted((letter for letter in letters if not letter.is_retrying(now)), key=lambda letter: letter.at)


def redrive_group(
    cloud: Cloud,
    fingerprint: str,
    operator: str,
    reason: str,
    patience: timedelta | None = None,
    progress: Callable[[str], None] = lambda _: None,
    anyway: bool = False,
) -> CanaryReport:
    """Redrive a group in waves, and wait for each wave's results.

    The next wave is sent if at least one of a wave was resolved and none failed with the same fingerprint. patience:
    how long to wait for one result (default: the time limit of all attempts). progress: receives a line now and then.
    Raises UnknownDeadLetter, DeadLetterRefused and audit.ReasonMissing, before anything is sent.
    """
    letters = select(cloud, fingerprint, anyway)
    if letters[0].job not in manifest.load():
        # Raises the error for a job that does not exist.
        redrive.prepare(cloud, letters[0])
    report = CanaryReport(fingerprint, letters[0].job, len(letters))
    scope = {"fingerprint": fingerprint, "job": report.job}
    with audit.OperatorAuditEntry(cloud, "dead retry", operator, reason, scope) as entry:
        canary = _Canary(cloud, report, operator, patience, entry, progress)
        for letter in letters:
            canary.lanes.setdefault(_lane(letter), deque()).append(letter)
        for size in (*WAVES, len(letters)):
            if canary.lanes and not report.stopped:
                canary.wave(size)
    return report


@dataclass
class _Canary:
    cloud: Cloud
    report: CanaryReport
    operator: str
    patience: timedelta | None
    audit_entry: OperatorAuditEntry
    progress: Callable[[str], None]
    #: Dead letters whose runs need the same lease, to be redriven one after the other; the oldest first in each lane.
    lanes: dict[str, deque[DeadLetter]] = field(default_factory=dict)
    #: Dead letters without a result, each with the timestamp up to which it is waited for.
    in_flight: dict[Key, tuple[DeadLetter, datetime]] = field(default_factory=dict)
    #: How many more this wave may send.
    quota: int = 0
    #: How many results in a row were not `resolved`.
    unresolved: int = 0

    def wave(self, size: int) -> None:
        """Redrive up to `size` dead letters, and wait for all their results."""
        before, self.quota, self.unresolved, pause = self.report.resolved, size, 0, FIRST_PAUSE
        while True:
            self._fill()
            if not self.in_flight:
                break
            if self._collect():
                pause = FIRST_PAUSE
                self.progress(f"{self.report.sent} of {self.report.of} sent, {self.report.resolved} resolved")
            else:
                self.cloud.clock.sleep(pause)
                pause = min(pause * 1.5, LONGEST_PAUSE)
        if self.report.resolved == before and self.unresolved:
            self._stop(f"none of the last {self.unresolved} was resolved")

    def _fill(self) -> None:
        busy = {_lane(letter) for letter, _ in self.in_flight.values()}
        for lane in [lane for lane in self.lanes if lane not in busy]:
            letters = self.lanes[lane]
            while letters and self._may_send() and not self._send(letters.popleft()):
                pass
            if not letters:
                del self.lanes[lane]
            if not self._may_send():
                return

    def _may_send(self) -> bool:
        return self.quota > 0 and len(self.in_flight) < MAX_IN_FLIGHT and not self.report.stopped

    def _send(self, letter: DeadLetter) -> bool:
        """Redrive one; False if it cannot be.

        Stops the canary if another operator has redriven it.
        """
        try:
            prepared = redrive.prepare(self.cloud, letter)
            retry_ends = clock.parse(redrive.send(self.cloud, prepared, self.operator))
        except RedriveInProgress as error:
            self._stop(str(error))
            return False
        except DeadLetterRefused as error:
            self.report.unfit += 1
            self.report.why_unfit = self.report.why_unfit or str(error)
            return False
        self.quota -= 1
        self.report.sent += 1
        self.audit_entry.add(letter.id)
        until = self.cloud.clock.now() + self.patience if self.patience else retry_ends
        self.in_flight[letter.job, letter.key] = (letter, until)
        return True

    def _collect(self) -> bool:
        """Read the rows in flight, and count results; whether there was one."""
        now, before = self.cloud.clock.now(), len(self.in_flight)
        current = store.read(self.cloud, self.in_flight)
        for key, (letter, until) in list(self.in_flight.items()):
            after = current.get(key)
            if after is None or after.state != RETRYING:
                del self.in_flight[key]
                self._count(letter, after)
            elif now > until:
                del self.in_flight[key]
                self.report.unknown += 1
                show = advised(self.cloud.names.stage, "dead", "show", letter.id)
                self._stop(f"{letter.id} has no result in time; look at it again: {show}")
        return len(self.in_flight) < before

    def _count(self, before: DeadLetter, after: DeadLetter | None) -> None:
        report = self.report
        if after is not None and after.state == RESOLVED:
            report.resolved += 1
            self.unresolved = 0
            return
        self.unresolved += 1
        if after is None or after.failed_redrives == before.failed_redrives:
            report.kept_out += 1
        elif after.fingerprint == before.fingerprint:
            report.repeated += 1
            self._stop(f"{before.id} failed again with the same error: {after.error}")
        else:
            report.died += 1
        if self.unresolved >= MAX_UNRESOLVED:
            self._stop(f"{self.unresolved} in a row were not resolved")

    def _stop(self, reason: str) -> None:
        self.report.stopped = self.report.stopped or reason


def _lane(letter: DeadLetter) -> str:
    """Return what the run needs the lease of; consumers need none."""
    entry = manifest.load()[letter.job]
    if entry["queue"]:
        return letter.id
    return letter.target if entry["lease_per_target"] else NO_TARGET
