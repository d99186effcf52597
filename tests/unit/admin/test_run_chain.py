"""One run with the attempts of its tick, its dead letter and its effects, in four calls."""

from __future__ import annotations

from datetime import timedelta

from shared.admin import run_chain
from shared.aws.cloud import Cloud
from shared.job import manifest
from tests.conftest import Calls
from tests.support.console_state import BusyNight

TICK = "2026-03-02T11:45Z#00"


def test_a_run_has_the_attempts_of_its_tick(cloud: Cloud) -> None:
    night = BusyNight(cloud)
    at = night.now - timedelta(minutes=15)
    runs = [
        night.row("pricing", at + timedelta(seconds=20 * number), "failed", False, tick=TICK, attempt=number + 1)
        for number in range(3)
    ]
    night.row("pricing", at + timedelta(minutes=1), "done", True, tick="2026-03-02T11:46Z#00")
    calls = Calls(cloud)
    chain = run_chain.read(cloud, "pricing", manifest.load()["pricing"], runs[1])
    assert chain is not None
    assert [row["run"] for row in chain.attempts] == runs
    assert len(calls.made) <= 4
    assert (chain.trigger, chain.dead_letter) == ("its schedule", {})


def test_an_unknown_run_is_none(cloud: Cloud) -> None:
    assert run_chain.read(cloud, "pricing", manifest.load()["pricing"], "20260302T114500.000Z-none") is None
