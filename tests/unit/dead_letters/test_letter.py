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


@pytest.mark.parametrize(
    "errors",
    [
        ("the receiver answered 302", "the receiver answered 401", "the receiver answered 503"),
        ("ProviderFailed: https://llm.example answered 429", "ProviderFailed: https://llm.example answered 500"),
        ("NotDelivered: HTTP 404", "NotDelivered: HTTP 410", "NotDelivered: HTTP/1.1 404 Not Found"),
        ("status code: 400", "status code: 403", "status=400", "statusCode 404"),
        ("401 Unauthorized", "403 Forbidden"),
        ("MailRefused: relay.example: 550 no such user", "MailRefused: relay.example: 552 quota exceeded"),
        ("relay.example: 451 4.7.1 later", "relay.example: 451 4.3.0 later"),
        ("Http401Error: no", "Http302Error: no"),
        ("TimeoutError: read", "ConnectionError: read"),
        ("ConnectionError: [Errno 104] reset", "ConnectionError: [Errno 111] refused", "ConnectionError: errno=13"),
        ("killed by signal 9", "killed by signal 15", "exit code 1", "exit code 137", "exit status 2"),
        ("SQLSTATE 23505", "SQLSTATE[40001]", "shop.example/a failed (404)", "shop.example/a failed (503)"),
        ("An error occurred (503) when calling", "An error occurred (500) when calling", "An error (503) occurred"),
    ],
)
def test_status_codes_and_error_classes_change_a_fingerprint(errors: tuple[str, ...]) -> None:
    assert len({fingerprint("sweep", error) for error in errors}) == len(errors)


@pytest.mark.parametrize(
    "errors",
    [
        ("the receiver answered 401 after 120 ms", "the receiver answered 401 after 98 ms"),
        ("signals 12 of 40", "signals 13 of 41"),
        ("page 3 (120) of shop", "page 4 (121) of shop"),
        ("answered 120 of 500 messages", "answered 130 of 510 messages"),
        ("order 401 is unknown", "order 302 is unknown"),
        ("KeyError: row 550 of 900", "KeyError: row 220 of 901"),
        ("TimeoutError: no answer after 300 s", "TimeoutError: no answer after 200 s"),
        ("b7e23ec2-9aad-4a01-b2b6-1c7c7d0f1c8e is gone", "0dfe23ec-9aad-4a01-b2b6-1c7c7d0f1c8e is gone"),
        ("ClientError: 250 items left", "ClientError: 410 items left"),
    ],
)
def test_other_numbers_do_not_change_a_fingerprint(errors: tuple[str, ...]) -> None:
    assert len({fingerprint("sweep", error) for error in errors}) == 1


@pytest.mark.parametrize("change", [{"state": "retrying", "retries": 1}, {"payload": "dead/sweep/b.json"}])
def test_a_changed_row_does_not_meet_the_condition(cloud: Cloud, change: dict[str, Any]) -> None:
    letter = DeadLetter.from_row(row())
    table.put(cloud, STATE, row(**change))
    assert not delete_if_unchanged(cloud, letter)
    assert delete_if_unchanged(cloud, DeadLetter.from_row(row(**change)))
