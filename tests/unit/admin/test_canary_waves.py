"""Waves of a canary: one, ten, the rest; none while letters are on their way; one after a repeated failure."""

from __future__ import annotations

from typing import Any

from shared.admin import canary_waves
from shared.dead_letters.letter import DeadLetter

NOW = "2026-03-02T12:00:00.000Z"


def letter(number: int, **more: Any) -> DeadLetter:
    sk = f"2026-03-02T10:{number:02d}:00.000Z#{number:016x}"
    return DeadLetter.from_row({"job": "crash", "sk": sk, "id": f"{number:016x}", "payload": "p", **more})


RESOLVED = {"state": "resolved", "resolvedAt": "2026-03-02T11:30:00.000Z"}
RETRYING = {"state": "retrying", "retryEnds": "2026-03-02T12:05:00.000Z"}


def test_the_first_wave_is_the_oldest_letter() -> None:
    waves = canary_waves.of([letter(number) for number in (3, 1, 2)], NOW)
    assert (waves.next_size, [each.id[-1] for each in waves.wave]) == (1, ["1"])


def test_ten_follow_one_that_was_resolved_and_the_rest_follows_ten() -> None:
    opened = [letter(number) for number in range(10, 40)]
    assert canary_waves.of([letter(0, **RESOLVED), *opened], NOW).next_size == 10
    assert canary_waves.of([*(letter(number, **RESOLVED) for number in range(9)), *opened], NOW).next_size == 30


def test_nothing_is_sent_while_a_wave_is_on_its_way() -> None:
    waves = canary_waves.of([letter(0, **RETRYING), letter(1)], NOW)
    assert (waves.next_size, waves.retrying, waves.wave) == (0, 1, ())


def test_a_repeated_failure_stops_the_canary_at_one() -> None:
    failed = letter(1, again=1, diedAt="2026-03-02T11:45:00.000Z")
    waves = canary_waves.of([letter(0, **RESOLVED), failed, letter(2)], NOW)
    assert (waves.next_size, waves.repeated, [each.id[-1] for each in waves.wave]) == (1, 1, ["2"])
    assert "failed again" in waves.stopped


def test_a_success_after_the_repeated_failure_lets_it_go_on() -> None:
    failed = letter(1, again=1, diedAt="2026-03-02T11:15:00.000Z")
    assert canary_waves.of([letter(0, **RESOLVED), failed, letter(2)], NOW).stopped == ""
