"""Faults at one call of a process."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

# Virtual seconds that a failing call takes, the SDK's own retries included.
FAILING_SECONDS = 0.7


class FaultKind(StrEnum):
    """Kind of a fault."""

    #: The process ends before the call. Lambda reports the failed invocation.
    DIES_BEFORE = "dies before"
    #: The call is performed, then the process ends.
    DIES_AFTER = "dies after"
    #: The process ends before the call, and the record of the failed invocation is lost.
    DIES_SILENTLY = "dies silently"
    #: The call is performed; its answer is lost, and the SDK repeats it.
    REPLY_LOST = "reply lost"
    #: The call is performed; its answer is lost, and so are those of the SDK's retries.
    NO_REPLY = "no reply"
    #: All calls of AWS fail for a second from here on.
    FAILS_1S = "fails 1 s"
    #: As above, for 30 seconds.
    FAILS_30S = "fails 30 s"
    #: As above, until the process has reached its deadline.
    FAILS_TO_DEADLINE = "fails to deadline"
    #: The process is frozen until its lease has expired; the others go on. Then it thaws.
    FREEZES = "freezes"

    @property
    def ends_process(self) -> bool:
        return self in (FaultKind.DIES_BEFORE, FaultKind.DIES_AFTER, FaultKind.DIES_SILENTLY)


#: Seconds for which calls fail; None: until the deadline.
OUTAGE_SECONDS: dict[FaultKind, float | None] = {
    FaultKind.FAILS_1S: 1,
    FaultKind.FAILS_30S: 30,
    FaultKind.FAILS_TO_DEADLINE: None,
}


@dataclass(frozen=True, slots=True)
class CrashPoint:
    """One fault at one call of the run under test.

    `str()` is the text that `parse` reads.
    """

    #: Number of the call, from 1.
    call: int
    kind: FaultKind
    #: Number of the second call, counted from the first one on, and its fault; 0 without one. A process that ends
    #: before it leaves the rest to the next process of the job.
    then: int = 0
    then_kind: FaultKind | None = None
    #: Whether this is such a rest.
    second: bool = False

    def rest(self, made: int) -> CrashPoint | None:
        """The second fault for the next process, if there is one.

        made: calls of the process that has ended, or is frozen.
        """
        if self.then_kind and made >= self.call:
            return CrashPoint(max(1, self.call + self.then - made), self.then_kind, second=True)
        return CrashPoint(self.call - made, self.kind, second=True) if self.second and made < self.call else None

    def __str__(self) -> str:
        first = f"{self.call}:{self.kind.name.lower()}"
        return f"{first}+{self.then}:{self.then_kind.name.lower()}" if self.then_kind else first

    @classmethod
    def parse(cls, text: str) -> CrashPoint:
        """Read `4:dies_after` or a pair, `4:dies_after+2:reply_lost`. Raises ValueError."""
        first, _, second = text.partition("+")
        call, kind = _parse_one(first)
        if not second:
            return cls(call, kind)
        then, then_kind = _parse_one(second)
        return cls(call, kind, then, then_kind)


def _parse_one(text: str) -> tuple[int, FaultKind]:
    number, _, name = text.partition(":")
    kinds = {kind.name.lower(): kind for kind in FaultKind}
    if not number.isascii() or not number.isdigit() or not int(number) or name not in kinds:
        raise ValueError(f"{text!r} is no crash point; write CALL:KIND, the kinds are {', '.join(kinds)}")
    return int(number), kinds[name]
