"""Retry a dead letter or a wave of a group; purge."""

from __future__ import annotations

from itertools import islice

from functions.console._acts.item_results import ItemResults
from functions.console._acts.preview import ActRefused, Given, Preview
from functions.console._view import View
from shared import clock
from shared.admin import audit, canary_waves, purge_dead_letters, redrive
from shared.admin.canary_waves import CanaryWaves
from shared.advised_commands import option
from shared.dead_letters import store
from shared.dead_letters.letter import RESOLVED, DeadLetter, RedriveInProgress
from shared.dead_letters.store import DeadLetterFilter
from shared.text.human import counted

Parameters = dict[str, str]
# Dead letters that one purge deletes: what the function can do in its time.
MOST = 5000
# Conditions of a filter, and the options of `dead purge` for them.
PURGE_OPTIONS = {"fingerprint": "--group", "reason": "--failed", "tenant": "--tenant", "entity": "--entity"}


def preview_retry(view: View, parameters: Parameters) -> Preview:
    letter = store.find(view.cloud, parameters.get("id", ""))
    # Refused here for what cannot be sent, with the reason; nothing is sent.
    redrive.prepare(view.cloud, letter)
    return Preview(
        title=f"Retry dead letter {letter.id[:16]}",
        sentences=(
            f"It is sent to {letter.job} again, with all its attempts, through the same queue and gates.",
            f"It failed with: {letter.error}",
        ),
        items=(_versioned(letter),),
        command=view.command("dead", "retry", letter.id),
        verb="Retry",
        tenants=(letter.tenant,) if letter.tenant else (),
    )


def retry(view: View, parameters: Parameters, given: Given) -> str:
    letter, ends = redrive.redrive_one(view.cloud, parameters["id"], given.who, given.reason)
    return f"Dead letter {letter.id[:16]} was sent; its result appears here, by {ends[11:19]} UTC at the latest."


def preview_wave(view: View, parameters: Parameters) -> Preview:
    group, waves = _group(view, parameters)
    if waves.retrying:
        raise ActRefused(f"{waves.retrying} of this group are being retried; wait for their results.")
    if not waves.wave:
        raise ActRefused("No dead letter of this group is open.")
    job = waves.wave[0].job
    return Preview(
        title=f"Retry {waves.next_size} of {waves.waiting} dead letters of {job}",
        sentences=(
            waves.stopped
            or "As a canary: one, then ten, then the rest; each wave after the results of the one before.",
        ),
        items=tuple(map(_versioned, waves.wave)),
        command=view.command("dead", "retry", "--group", group, "--reason", "WHY"),
        verb=f"Retry {waves.next_size}",
        tenants=tuple(sorted({letter.tenant for letter in waves.wave} - {""})),
    )


def retry_wave(view: View, parameters: Parameters, given: Given) -> str:
    group, waves = _group(view, parameters)
    results = ItemResults()
    scope = {"fingerprint": group, "job": waves.wave[0].job if waves.wave else ""}
    with audit.OperatorAuditEntry(view.cloud, "dead retry", given.who, given.reason, scope) as entry:
        for letter in waves.wave:
            busy = False
            with results.item(letter.id[:16]):
                try:
                    redrive.send(view.cloud, redrive.prepare(view.cloud, letter), given.who)
                except RedriveInProgress:
                    busy = True
                    raise
                entry.add(letter.id)
            if busy:
                # Another operator works on the group: the rest is theirs to see first.
                break
    if not results.total:
        raise ActRefused("No dead letter of this group is open.")
    return results.answer(f"{counted(results.done, 'dead letter')} sent; the group's page shows the results")


def preview_purge(view: View, parameters: Parameters) -> Preview:
    matching = _filter(parameters)
    if not matching:
        raise ActRefused("An empty filter matches every dead letter. Choose a job, an error, a reason or a tenant.")
    now = clock.iso(view.now)
    letters = [
        letter for letter in islice(store.dead_letters(view.cloud, matching), MOST + 1) if not letter.is_retrying(now)
    ]
    if not letters:
        raise ActRefused("No dead letter matches; those that are being retried stay.")
    if len(letters) > MOST:
        raise ActRefused(f"More than {MOST} match: use the command line, which takes its time.")
    resolved = sum(letter.state == RESOLVED for letter in letters)
    job = (parameters["job"],) if "job" in parameters else ()
    # Each condition of the filter: without one, the command would delete more.
    given = (
        word for name, text in PURGE_OPTIONS.items() if name in parameters for word in option(text, parameters[name])
    )
    return Preview(
        title=f"Delete {counted(len(letters), 'dead letter')}",
        sentences=(
            f"Rows and payloads are deleted; {resolved} of them are resolved already.",
            "Filter: " + ", ".join(f"{name} {value}" for name, value in matching.data().items()) + ".",
        ),
        items=tuple(map(_versioned, letters)),
        command=view.command("dead", "purge", *job, *given, "--reason", "WHY"),
        verb=f"Delete {len(letters)}",
        tenants=tuple(sorted({letter.tenant for letter in letters} - {""})),
        danger=True,
        reason=True,
    )


def purge(view: View, parameters: Parameters, given: Given) -> str:
    # Everything, where the filter happens to match all: the operator has seen and typed the count.
    result = purge_dead_letters.purge(view.cloud, _filter(parameters), given.who, given.reason, everything=True)
    stayed = f", {result.moved} stayed since they had changed" if result.moved else ""
    return f"{counted(result.purged, 'dead letter')} deleted{stayed}."


def _filter(parameters: Parameters) -> DeadLetterFilter:
    return DeadLetterFilter(
        job=parameters.get("job", ""),
        fingerprint=parameters.get("fingerprint", ""),
        reason=parameters.get("reason", ""),
        tenant=parameters.get("tenant", ""),
        entity=parameters.get("entity", ""),
    )


def _group(view: View, parameters: Parameters) -> tuple[str, CanaryWaves]:
    group = parameters.get("group", "")
    letters = [each for each in store.dead_letters(view.cloud, DeadLetterFilter(fingerprint=group)) if group]
    return group, canary_waves.of(letters, clock.iso(view.now))


def _versioned(letter: DeadLetter) -> tuple[str, str]:
    return f"{letter.id[:16]} of {letter.job}", f"{letter.key} {letter.state} {letter.retries} {letter.payload}"
