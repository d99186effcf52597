"""Outcomes of effects that this process knows and has not written yet.

A live process knows whether a call was made and what it returned. While that cannot be written, it is not lost: a write
is repeated until the run's deadline, then once more at the end of the run, and what is left then is stored with the
claim item for the next run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from shared.run import checkpoint
from shared.store import keys, table
from shared.store.fencing import Fenced
from shared.store.transient import FIRST_PAUSE, LONGEST_PAUSE
from shared.tables import STATE

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.run.context import RunContext

T = TypeVar("T")

# Bytes of outcomes in the claim item; more are stored in a row of their own.
INLINE = 100


class StillOpen(Exception):
    """The row of an effect was changed at the same time."""


@dataclass(frozen=True, slots=True)
class KnownOutcome:
    """The outcome of one effect."""

    #: Key of the effect.
    key: str
    #: Nonce of its intent.
    nonce: str
    #: Whether the call was made; otherwise the intent is to be deleted.
    performed: bool
    #: What the call returned, as JSON data.
    result: Any = None


def keep_trying(run: RunContext, write: Callable[[], T]) -> T:
    """Repeat a failing write until the run's deadline.

    Raises its last error then, and at once an error that no repetition mends.
    """
    pause = FIRST_PAUSE
    while True:
        try:
            return write()
        except (Fenced, TypeError, ValueError):
            raise
        except Exception as error:
            left = run.remaining()
            if left <= 0:
                raise
            run.log.warning("effect_not_written_yet", error=f"{type(error).__name__}: {error}")
            run.cloud.clock.sleep(min(pause, left))
            pause = min(2 * pause, LONGEST_PAUSE)


def release(cloud: Cloud, job: str, key: str, nonce: str) -> None:
    """Delete an intent whose call was not made."""
    table.delete(
        cloud,
        STATE,
        keys.effect(job, key),
        condition="nonce = :nonce AND attribute_not_exists(done)",
        values={":nonce": nonce},
    )


def settle(run: RunContext, *, wait: bool = True) -> None:
    """Write the outcomes that are left.

    wait: repeat a failing write until the deadline. The others stay in `run.known_outcomes`.
    """
    for known in list(run.known_outcomes.values()):
        try:
            if wait:
                keep_trying(run, partial(write, run, known))
            else:
                write(run, known)
        except Exception as error:  # noqa: BLE001 - it is carried to the next run
            text = f"{type(error).__name__}: {error}"
            run.log.error("effect_not_written", effect=known.key, performed=known.performed, error=text)
            # The others would fail too, and the time that is left is for the end of the run.
            return
        del run.known_outcomes[known.key]


def write(run: RunContext, known: KnownOutcome) -> None:
    """Write one outcome: the confirmation, or the release of the intent.

    Nothing is written where the effect was resolved otherwise since.
    """
    cloud, job = run.cloud, run.job
    if not known.performed:
        release(cloud, job.name, known.key, known.nonce)
        return
    # Imported lazily: few runs have effects.
    from shared.run import reconcile

    if reconcile.confirm(cloud, job, known.key, known.nonce, known.result):
        return
    row = table.get(cloud, STATE, keys.effect(job.name, known.key))
    if row.get("nonce") == known.nonce and "done" not in row:
        raise StillOpen(f"the effect {known.key!r} is being changed by another run")


def carry(run: RunContext) -> None:
    """Store the outcomes that are left for the next run.

    The run ends with its own outcome, also where they cannot be stored.
    """
    claims, claim = run.claims, run.claim
    if claims is None or claim is None:
        return
    data = [[known.key, known.nonce, known.performed, known.result] for known in run.known_outcomes.values()]
    try:
        values = {":run": claim.run, ":fence": claim.fence}
        if data:
            values[":known"] = checkpoint.store(run.cloud, run.job.name, _place(run), claim.fence, data, INLINE)
        table.update_if(
            run.cloud,
            STATE,
            claims.key,
            "SET known_outcomes = :known" if data else "REMOVE known_outcomes",
            values,
            "#run = :run AND fence = :fence",
            names={"#run": "run"},
        )
    except Exception as error:  # noqa: BLE001 - see above
        run.log.error("effects_not_carried", effects=[*run.known_outcomes], error=f"{type(error).__name__}: {error}")


def take_over(run: RunContext) -> None:
    """Write the outcomes that the run before could not write.

    They are known before the work meets their keys, and carried on where they cannot be written now either.
    """
    run.known_outcomes.update(load(run))
    settle(run, wait=False)


def load(run: RunContext) -> Mapping[str, KnownOutcome]:
    """Return the outcomes that the run before could not write."""
    text = run.claim.known_outcomes if run.claim else ""
    if not text:
        return {}
    stored = checkpoint.load(run.cloud, run.job.name, _place(run), text) or []
    return {key: KnownOutcome(key, nonce, performed, result) for key, nonce, performed, result in stored}


def _place(run: RunContext) -> str:
    # Beside the checkpoint of the same target and fence.
    return f"{run.claims.target if run.claims else run.target}#effects"
