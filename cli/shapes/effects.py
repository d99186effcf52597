"""Shapes of `effects`."""

from __future__ import annotations

from typing import NotRequired

from typing_extensions import TypedDict


class UncertainEffect(TypedDict):
    """An effect whose outcome is unknown."""

    #: Id, by which it is resolved.
    id: str
    #: Key of the effect, redacted.
    key: str
    #: Timestamp of its start.
    begun: str
    #: Id of the run that started it.
    run: str
    #: Timestamp since which its outcome is uncertain; null for one that was never retried.
    since: str | None
    #: Error of the call; empty for none.
    error: str
    #: Organization; absent for none.
    tenant: NotRequired[str]
    #: Answer of its job.
    note: NotRequired[str]
    #: With --all: whether a run is performing it.
    busy: NotRequired[bool]


class ResolvedEffect(TypedDict):
    """An effect that an operator resolved."""

    #: Name of the job.
    job: str
    #: Key of the effect, redacted.
    key: str
    #: `done` or `redo`.
    verdict: str
