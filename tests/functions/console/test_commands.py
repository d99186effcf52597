"""The command that a dialog shows does the same as the dialog."""

from __future__ import annotations

import html
import re
import shlex
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from cli import operator_identity, options
from cli.main import main
from functions.console._ui import Console
from shared.admin import audit, purge_dead_letters
from shared.admin.purge_dead_letters import PurgeResult
from shared.aws.cloud import Cloud
from shared.dead_letters import store
from shared.dead_letters.store import DeadLetterFilter
from shared.store import keys, table
from shared.tables import STATE
from tests.conftest import Lines, VirtualClock, mocked_cloud, waiting
from tests.support.console_browser import Person
from tests.support.console_state import TENANT, BusyNight

COMMAND = re.compile(r'<code class="command"[^>]*>([^<]*)</code>')
# What the way and the moment decide: who, when, and ids.
VARIES = {"who", "since", "at", "text", "nonce", "retriedBy", "retry"}
Act = Callable[[Cloud], tuple[str, dict[str, str]]]


def letter(cloud: Cloud) -> str:
    return next(iter(store.dead_letters(cloud, DeadLetterFilter(job="crash")))).id


ACTS: dict[str, Act] = {
    "pause of a job": lambda _: ("pause", {"job": "pricing"}),
    "resume": lambda _: ("resume", {"job": "docs"}),
    "pause of a tenant": lambda _: ("pause-tenant", {"tenant": TENANT}),
    "pauses of selected jobs": lambda _: ("pause-jobs", {"chosen": "pricing"}),
    "retry": lambda cloud: ("retry", {"id": letter(cloud)}),
    "settlement": lambda _: ("settle", {"job": "notification-delivery", "key": "notify:ada:42", "verdict": "done"}),
}


def state_after(act: Act, by_command: bool, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Rows and messages after the act, by the dialog or by its command."""
    clock = VirtualClock()
    with mocked_cloud(clock, monkeypatch) as cloud:
        BusyNight(cloud).write()
        clock.move(seconds=1)
        person = Person(Console(cloud, Lines(clock)))
        person.sign_in("open sesame")
        name, form = act(cloud)
        preview = person.preview(name, **form)
        assert preview.status == 200, preview.text
        if by_command:
            _call(cloud, html.unescape(COMMAND.findall(preview.text)[0]), monkeypatch)
        else:
            done = person.confirm(name, preview, why="mended")
            assert done.status == 200, done.text
        [entry] = list(audit.entries(cloud, 1))[:1]
        return {
            "audit": (entry["what"], entry["count"], entry["reason"]),
            "messages": len(waiting(cloud)),
            "rows": _rows(cloud),
        }


def _call(cloud: Cloud, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a command in this process, against this cloud."""
    monkeypatch.setattr(options, "open_cloud", lambda *_, **__: _Open(cloud))
    monkeypatch.setattr(operator_identity, "operator", lambda *_: "ada")
    words = shlex.split(command.replace("WHY", "mended"))
    assert words[:2] == ["python", "jobs.py"]
    if words[2:4] == ["dead", "retry"]:
        words += ["--no-wait", "--reason", "mended"]
    assert main(words[2:]) == 0, command


class _Open:
    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    def __enter__(self) -> Cloud:
        return self.cloud

    def __exit__(self, *_: object) -> None:
        """Nothing was opened."""


def _rows(cloud: Cloud) -> list[dict[str, Any]]:
    """Pauses, effects and letters, without what varies."""
    partitions = [
        *(keys.pauses(job) for job in ("pricing", "docs", "usage")),
        *(keys.effect("notification-delivery", "notify:ada:42").pk, keys.uncertain_effects("notification-delivery")),
        keys.dead_letters("crash"),
    ]
    return [
        {name: value for name, value in row.items() if name not in VARIES}
        for pk in partitions
        for row in table.query(cloud, STATE, "pk = :pk", {":pk": pk})
    ]


@pytest.mark.parametrize("name", ACTS)
def test_the_command_does_what_the_dialog_does(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    by_dialog, by_command = (state_after(ACTS[name], each, monkeypatch) for each in (False, True))
    assert by_command == by_dialog


# Conditions of a purge; some values look like options or need quotes.
FILTERS = {
    "job": ("usage",),
    "fingerprint": ("5d41402abc4b",),
    "reason": ("two words", "--all"),
    "tenant": (TENANT, "-org"),
    "entity": ("meter 7",),
}


def test_the_purge_command_selects_what_the_dialog_does(
    operator: Person, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By every combination of conditions, whatever their values."""
    [one, *_] = store.dead_letters(cloud, DeadLetterFilter(job="usage"))
    selected = list[DeadLetterFilter]()

    def purge(_: Cloud, matching: DeadLetterFilter, *__: object) -> PurgeResult:
        selected.append(matching)
        return PurgeResult()

    monkeypatch.setattr(purge_dead_letters, "purge", purge)
    # The dialog finds a letter for each filter, so that it prints a command for it.
    monkeypatch.setattr(store, "dead_letters", lambda *_: iter([one]))
    choices = [("", *FILTERS[name]) for name in FILTERS]
    for values in product(*choices):
        form = {name: value for name, value in zip(FILTERS, values, strict=True) if value}
        if not form:
            continue
        seen = operator.preview("purge", **form)
        _call(cloud, html.unescape(COMMAND.findall(seen.text)[0]), monkeypatch)
        assert selected.pop().data() == form
