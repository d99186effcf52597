"""Sending a group of dead letters again as a canary: one, then ten, then all, for as long as the fault stays mended."""

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
# On their way at once; as many are looked at by one read.
MAX_IN_FLIGHT = 100
# So many in a row that were not resolved end it, whatever they died of.
MAX_UNRESOLVED = 10
# Seconds between two looks at what came of them, growing while nothing does.
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 2.0

Key = tuple[str, str]


@dataclass(slots=True)
class CanaryReport:
    """What came of it. of: letters in the group. repeated: died of the same again; died: of something else.

    kept_out: by a gate, and as dead as before. unknown: nothing was heard of them in time. unfit: cannot be sent, and
    why the first of them cannot. stopped: why it went no further; empty where all were sent.
    """

    fingerprint: str
    job: str
    of: int
    sent: int = 0
    resolved: int = 0
    repeated: int = 0
    died: int = 0
    kept_out: int = 0
    unknown: int = 0
    unfit: int = 0
    why_unfit: str = ""
    stopped: str = ""

    @property
    def ok(self) -> bool:
        return self.resolved == self.of

    def data(self) -> dict[str, Any]:
        return asdict(self)


def select(cloud: Cloud, fingerprint: str, anyway: bool = False) -> list[DeadLetter]:
    """The letters that would be sent, the eldest first. anyway: leave out those that are on their way already.

    Raises UnknownDeadLetter, and RedriveInProgress where some are and `anyway` is not said: somebody else is at this group.
    """
    now = clock.iso(cloud.clock.now())
    which = store.DeadLetterFilter(fingerprint=fingerprint)
    found = [letter for letter in store.dead_letters(cloud, which) if letter.state != RESOLVED] if which else []
    if not found:
        raise UnknownDeadLetter(
            f"there is no dead letter of fingerprint {fingerprint!r:.60}; {store.list_hint(cloud.names.stage)}"
        )
    away = [letter for letter in found if letter.is_retrying(now)]
    if away and (not anyway or len(away) == len(found)):
        raise RedriveInProgress(
            f"{len(away)} of this group are on their way: {away[0].id} was sent again by {away[0].retried_by} at "
            f"{away[0].row['retriedAt']}; wait for what comes of it, until {away[0].retry_ends} at the latest. If nobody is "
            f"at it any more, the others can be sent now: --anyway"
        )
    return sorted((letter for letter in found if not letter.is_retrying(now)), key=lambda letter: letter.at)


def redrive_group(
    cloud: Cloud,
    fingerprint: str,
    who: str,
    reason: str,
    patience: timedelta | None = None,
    tell: Callable[[str], None] = lambda _: None,
    anyway: bool = False,
) -> CanaryReport:
    """Send those `chosen` in waves, and wait for what comes of each; `patience`: all attempts of a letter by default.

    A wave lets the next one go where at least one of its letters was resolved and none died of the same again. `tell`
    is given a line now and then. Raises UnknownDeadLetter, DeadLetterRefused
    and audit.ReasonMissing before anything is sent.
    """
    letters = select(cloud, fingerprint, anyway)
    if letters[0].job not in manifest.load():
        # Its message says what to do.
        redrive.prepare(cloud, letters[0])
    report = CanaryReport(fingerprint, letters[0].job, len(letters))
    with audit.OperatorAuditEntry(
        cloud, "dead retry", who, reason, {"fingerprint": fingerprint, "job": report.job}
    ) as written:
        canary = _Canary(cloud, report, who, patience, written, tell)
        for letter in letters:
            canary.lanes.setdefault(_lane(letter), deque()).append(letter)
        for size in (*WAVES, len(letters)):
            if canary.lanes and not report.stopped:
                canary.wave(size)
    return report


@dataclass
class _Canary:
    """lanes: letters that would lock each other out, which are sent one after the other; the eldest first in each."""

    cloud: Cloud
    report: CanaryReport
    who: str
    patience: timedelta | None
    written: OperatorAuditEntry
    tell: Callable[[str], None]
    lanes: dict[str, deque[DeadLetter]] = field(default_factory=dict)
    flying: dict[Key, tuple[DeadLetter, datetime]] = field(default_factory=dict)
    quota: int = 0
    barren: int = 0

    def wave(self, size: int) -> None:
        """Send so many, and wait until something came of each."""
        before, self.quota, self.barren, pause = self.report.resolved, size, 0, FIRST_PAUSE
        while True:
            self._fill()
            if not self.flying:
                break
            if self._look():
                pause = FIRST_PAUSE
                self.tell(f"{self.report.sent} of {self.report.of} sent, {self.report.resolved} resolved")
            else:
                self.cloud.clock.sleep(pause)
                pause = min(pause * 1.5, LONGEST_PAUSE)
        if self.report.resolved == before and self.barren:
            self._stop(f"none of the last {self.barren} was resolved")

    def _fill(self) -> None:
        busy = {_lane(letter) for letter, _ in self.flying.values()}
        for lane in [lane for lane in self.lanes if lane not in busy]:
            letters = self.lanes[lane]
            while letters and self._free() and not self._send(letters.popleft()):
                pass
            if not letters:
                del self.lanes[lane]
            if not self._free():
                return

    def _free(self) -> bool:
        return self.quota > 0 and len(self.flying) < MAX_IN_FLIGHT and not self.report.stopped

    def _send(self, letter: DeadLetter) -> bool:
        """Whether it is on its way. What cannot be sent is passed over; where somebody else is at it, all stops."""
        try:
            made = redrive.prepare(self.cloud, letter)
            until = clock.parse(redrive.send(self.cloud, made, self.who))
        except RedriveInProgress as error:
            self._stop(str(error))
            return False
        except DeadLetterRefused as error:
            self.report.unfit += 1
            self.report.why_unfit = self.report.why_unfit or str(error)
            return False
        self.quota -= 1
        self.report.sent += 1
        self.written.add(letter.id)
        given = self.cloud.clock.now() + self.patience if self.patience else until
        self.flying[letter.job, letter.key] = (letter, given)
        return True

    def _look(self) -> bool:
        """Whether something came of any of them."""
        now, before = self.cloud.clock.now(), len(self.flying)
        found = store.read(self.cloud, self.flying)
        for key, (letter, until) in list(self.flying.items()):
            after = found.get(key)
            if after is None or after.state != RETRYING:
                del self.flying[key]
                self._count(letter, after)
            elif now > until:
                del self.flying[key]
                self.report.unknown += 1
                look = advised(self.cloud.names.stage, "dead", "show", letter.id)
                self._stop(f"nothing was heard of {letter.id} in time; look again: {look}")
        return len(self.flying) < before

    def _count(self, before: DeadLetter, after: DeadLetter | None) -> None:
        report = self.report
        if after is not None and after.state == RESOLVED:
            report.resolved += 1
            self.barren = 0
            return
        self.barren += 1
        if after is None or after.failed_redrives == before.failed_redrives:
            report.kept_out += 1
        elif after.fingerprint == before.fingerprint:
            report.repeated += 1
            self._stop(f"{before.id} died of the same again: {after.error}")
        else:
            report.died += 1
        if self.barren >= MAX_UNRESOLVED:
            self._stop(f"{self.barren} in a row were not resolved")

    def _stop(self, why: str) -> None:
        self.report.stopped = self.report.stopped or why


def _lane(letter: DeadLetter) -> str:
    """What holds the lease that its run takes; consumers take none."""
    entry = manifest.load()[letter.job]
    if entry["queue"]:
        return letter.id
    return letter.target if entry["lease_per_target"] else NO_TARGET
