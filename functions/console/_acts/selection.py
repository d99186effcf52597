"""Acts on selected rows: pause, resume or run jobs, retry dead letters."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from functions.console._acts import letters, pausing, running
from functions.console._acts.item_results import ItemResults
from functions.console._acts.preview import ActRefused, Given, Preview
from functions.console._view import View
from shared.admin import job_board
from shared.admin.job_state import JobState
from shared.text.human import counted

Parameters = dict[str, str]
CHOSEN = "chosen"
SEPARATOR = "\n"


def preview_pause(view: View, parameters: Parameters) -> Preview:
    states = [state for state in _states(view, parameters) if not state.paused]
    if not states:
        raise ActRefused("Each selected job is paused already.")
    return Preview(
        title=f"Pause {counted(len(states), 'job')}",
        sentences=("They start no run until they are resumed, or until the end of the pause.", pausing.CONTINUES),
        items=tuple((state.name, "not paused") for state in states),
        command=_commands(view, "pause", [state.name for state in states], "--reason", "WHY"),
        verb=f"Pause {len(states)}",
        until=True,
        reason=True,
    )


def pause(view: View, parameters: Parameters, given: Given) -> str:
    names = [state.name for state in _states(view, parameters) if not state.paused]
    return _each(names, "paused", lambda name: pausing.pause(view, {"job": name}, given))


def preview_resume(view: View, parameters: Parameters) -> Preview:
    states = [state for state in _states(view, parameters) if state.paused]
    if not states:
        raise ActRefused("No selected job is paused.")
    return Preview(
        title=f"Resume {counted(len(states), 'job')}",
        sentences=("They run again from their next tick on.",),
        items=tuple((state.name, f"paused by {state.paused}") for state in states),
        command=_commands(view, "resume", [state.name for state in states], "--reason", "WHY"),
        verb=f"Resume {len(states)}",
        reason=True,
    )


def resume(view: View, parameters: Parameters, given: Given) -> str:
    names = [state.name for state in _states(view, parameters) if state.paused]
    return _each(names, "resumed", lambda name: pausing.resume(view, {"job": name}, given))


def preview_run(view: View, parameters: Parameters) -> Preview:
    names = [state.name for state in _states(view, parameters) if not state.entry["queue"]]
    if not names:
        raise ActRefused("Each selected job is driven by its queue; send it a message.")
    return Preview(
        title=f"Run {counted(len(names), 'job')} now",
        sentences=(
            "One run of each starts, through the gates, the lease and the pauses of any run.",
            "Jobs that are driven by a queue are left out.",
        ),
        items=tuple((name, "") for name in names),
        command=SEPARATOR.join(view.command(name) for name in names),
        verb=f"Run {len(names)}",
        reason=True,
    )


def run(view: View, parameters: Parameters, given: Given) -> str:
    names = [state.name for state in _states(view, parameters) if not state.entry["queue"]]
    return _each(names, "started", lambda name: running.run(view, {"job": name}, given))


def preview_retry(view: View, parameters: Parameters) -> Preview:
    previews = [letters.preview_retry(view, {"id": each}) for each in _chosen(parameters)]
    return Preview(
        title=f"Retry {counted(len(previews), 'dead letter')}",
        sentences=("Each is sent to its job again, with all its attempts, through the same queue and gates.",),
        items=tuple(item for each in previews for item in each.items),
        command=SEPARATOR.join(each.command for each in previews),
        verb=f"Retry {len(previews)}",
        tenants=tuple(sorted({tenant for each in previews for tenant in each.tenants})),
        reason=True,
    )


def retry(view: View, parameters: Parameters, given: Given) -> str:
    return _each(_chosen(parameters), "sent", lambda each: letters.retry(view, {"id": each}, given))


def _each(items: Sequence[str], done: str, perform: Callable[[str], str]) -> str:
    """Act on each by itself."""
    results = ItemResults()
    for each in items:
        with results.item(each):
            perform(each)
    return results.answer(f"{results.done} of {results.total} {done}")


def _chosen(parameters: Parameters) -> list[str]:
    chosen = parameters.get(CHOSEN, "").split(SEPARATOR)
    if not any(chosen):
        raise ActRefused("No row is selected. Tick the boxes of the rows first.")
    return sorted(chosen)


def _states(view: View, parameters: Parameters) -> list[JobState]:
    """The selected jobs, read by one call for up to 49."""
    entries = dict(view.job(each) for each in _chosen(parameters))
    return sorted(job_board.read(view.cloud, entries), key=lambda state: state.name)


def _commands(view: View, name: str, jobs: Sequence[str], *options: str) -> str:
    return SEPARATOR.join(view.command(name, job, *options) for job in jobs)
