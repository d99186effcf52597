"""Write the outcome of a redrive on the dead letter's row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from shared import clock, redaction
from shared.aws.names import NO_TARGET
from shared.dead_letters.letter import DEAD, RESOLVED, RETRYING
from shared.job.definition import Job
from shared.job.outcome import Done, Outcome, Reason, Refused, Skipped, Snoozed
from shared.run import send
from shared.store import keys, table
from shared.tables import STATE

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.run.firing import Firing


def record_outcome(cloud: Cloud, job: Job, firing: Firing, run: str, outcome: Outcome) -> None:
    """Resolve the dead letter after a success.

    Return it to `dead` where it was not run and nothing follows.

    A failure writes nothing, since a retry or a new dead letter follows; nor does a lost run.
    """
    match outcome:
        case Done() | Skipped(reason=Reason.SUPERSEDED):
            resolve(cloud, job.name, firing.letter, run, outcome.word)
        case Skipped(reason=Reason.DEDUPLICATED):
            # Either the work is done, or another delivery of this firing does it and records the outcome.
            if by := _done_by(cloud, job, firing):
                resolve(cloud, job.name, firing.letter, by, "done")
        case Skipped() | Refused():
            return_to_dead(cloud, job.name, firing.letter, f"was not run: {outcome.word}; {outcome.note}")
        case Snoozed() if not send.may_defer(job, firing):
            return_to_dead(cloud, job.name, firing.letter, f"was deferred too often; {outcome.note}")


def resolve(cloud: Cloud, job: str, letter: str, run: str, outcome: str) -> None:
    """Set the dead letter to `resolved` by `run`, from any state.

    The first run stays.
    """
    now = clock.iso(cloud.clock.now())
    values = {":resolved": RESOLVED, ":run": run, ":outcome": outcome, ":now": now}
    update = "SET #state = :resolved, resolvedBy = :run, resolvedAt = :now, #outcome = :outcome REMOVE note"
    change_state(cloud, job, letter, update, values, "#state <> :resolved", outcome="outcome")


def return_to_dead(cloud: Cloud, job: str, letter: str, note: str) -> None:
    """Set a retried dead letter back to `dead`.

    It was not run, and nothing follows.
    """
    values = {":dead": DEAD, ":retrying": RETRYING, ":note": redaction.excerpt(note, redaction.LONG)}
    change_state(cloud, job, letter, "SET #state = :dead, note = :note", values, "#state = :retrying")


def change_state(
    cloud: Cloud, job: str, letter: str, update: str, values: Mapping[str, Any], condition: str, **names: str
) -> bool:
    """Update the row of a dead letter.

    False where it is missing or the condition does not hold.
    """
    return table.update_if(
        cloud,
        STATE,
        keys.dead_letter(job, letter),
        update,
        values,
        f"attribute_exists(pk) AND {condition}",
        names={"#state": "state", **{f"#{name}": attribute for name, attribute in names.items()}},
    )


def _done_by(cloud: Cloud, job: Job, firing: Firing) -> str:
    """Return the run that did this work, if any.

    `-` where the run is unknown, "" where the work is not done.
    """
    if firing.manual:
        request = table.get(cloud, STATE, keys.manual_request(job.name, firing.id))
        return str(request.get("run", "-")) if request.get("outcome") == Done.word else ""
    item = table.get(cloud, STATE, keys.claim(job.key, firing.target if job.lease_per_target else NO_TARGET))
    return str(item.get("run", "-")) if item.get("last", "") >= firing.position else ""
