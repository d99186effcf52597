"""A dead letter as its row was read: state, fingerprint, and the condition that the row is unchanged."""

from __future__ import annotations

from typing import Any

import pytest

from shared.aws.cloud import Cloud
from shared.dead_letters.letter import DeadLetter, fingerprint, unchanged
from shared.store import keys, table
from shared.tables import STATE

KEY = keys.dead_letter("sweep", "2026-03-02T12:00:00.000Z#0123456789abcdef")


def row(**more: Any) -> dict[str, Any]:
    return {**KEY.attributes, "job": "sweep", "id": "0123456789abcdef", "payload": "dead/sweep/a.json", **more}


def delete_if_unchanged(cloud: Cloud, letter: DeadLetter) -> bool:
    condition, names, values = unchanged(letter)
    return table.delete(cloud, STATE, KEY, condition=condition, names=names, values=values)


def test_a_new_row_is_dead_since_its_first_failure() -> None:
    letter = DeadLetter.from_row(row())
    assert (letter.state, letter.at, letter.failed_at) == ("dead", "2026-03-02T12:00:00.000Z", letter.at)


def test_a_redriven_dead_letter_is_retrying_until_its_retry_ends() -> None:
    letter = DeadLetter.from_row(row(state="retrying", retryEnds="2026-03-02T12:05:00.000Z"))
    assert letter.is_retrying("2026-03-02T12:05:00.000Z")
    assert not letter.is_retrying("2026-03-02T12:05:00.001Z")


def test_json_output_has_no_internal_attributes() -> None:
    shown = DeadLetter.from_row(row(marks=["a"], retry="nonce", expires=1)).as_dict()
    assert not {"pk", "sk", "marks", "retry", "expires"} & shown.keys()
    assert shown["state"] == "dead"


def test_numbers_and_ids_do_not_change_a_fingerprint() -> None:
    errors = ("no customer 4711 at 0xff", "No customer 12 at 0xa0")
    assert len({fingerprint("sweep", error) for error in errors}) == 1
    assert fingerprint("sweep", "no customer") != fingerprint("purge", "no customer")


@pytest.mark.parametrize("change", [{"state": "retrying", "retries": 1}, {"payload": "dead/sweep/b.json"}])
def test_a_changed_row_does_not_meet_the_condition(cloud: Cloud, change: dict[str, Any]) -> None:
    letter = DeadLetter.from_row(row())
    table.put(cloud, STATE, row(**change))
    assert not delete_if_unchanged(cloud, letter)
    assert delete_if_unchanged(cloud, DeadLetter.from_row(row(**change)))
