"""Shapes of `pauses`, `pause`, `resume`, `mute` and `reset`."""

from __future__ import annotations

from typing_extensions import TypedDict


class ListedPause(TypedDict):
    """A pause of a job, or of a part of it."""

    #: Name of the job.
    job: str
    #: `job`, `target#<t>` or `tenant#<org>`.
    part: str
    #: Operator and reason, shortened.
    text: str
    #: The operator; empty for a pause by the brake.
    who: str
    #: The reason; empty for a pause by the brake.
    why: str
    #: Timestamp of the pause; empty for one by the brake.
    since: str
    #: Timestamp of its end; empty for a pause until it is resumed.
    until: str
    #: Of a pause that was just removed: the used-up budget that still holds the job; empty for none.
    budget_hold: str


class ListedMute(TypedDict):
    """A mute of alerts."""

    #: Name of the job.
    job: str
    #: Subject of the alerts: the job, or the job and its target.
    about: str
    #: Queue of the job, whose alerts are muted too; empty without one, and for a target.
    queue: str
    #: Kind of the alerts; `*` for all.
    kind: str
    #: The operator.
    who: str
    #: The reason.
    why: str
    #: Timestamp of the mute.
    since: str
    #: Timestamp of its end.
    until: str


class ResetPosition(TypedDict):
    """A position that was reset."""

    #: Name of the job.
    job: str
    #: Shard; `-` for the whole job.
    target: str
    #: The position before.
    was: str


class ResetWatermark(TypedDict):
    """A watermark that was set back, or would be."""

    #: Name of the rollup.
    job: str
    #: Timestamp ahead of the clock.
    was: str
    #: Timestamp that it has now.
    to: str
    #: Rows recorded since, which the next runs add.
    rows: int
