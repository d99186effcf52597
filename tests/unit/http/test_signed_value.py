"""Signed values: only the own secret and purpose verify, and nothing else is decoded."""

from __future__ import annotations

import pytest

from shared.http import signed_value

DATA = {"who": "ada", "n": 3, "text": "ü/%"}


def test_a_signed_value_is_read_back() -> None:
    assert signed_value.verify("secret", "session", signed_value.sign("secret", "session", DATA)) == DATA


@pytest.mark.parametrize(("secret", "purpose"), [("other", "session"), ("secret", "link"), ("", "session")])
def test_another_secret_or_purpose_verifies_nothing(secret: str, purpose: str) -> None:
    assert signed_value.verify(secret, purpose, signed_value.sign("secret", "session", DATA)) is None


@pytest.mark.parametrize("text", ["", ".", "a.b", "ü.ü", "x" * 5000, "e30", "....", "%00.%00"])
def test_garbage_verifies_nothing(text: str) -> None:
    assert signed_value.verify("secret", "session", text) is None


def test_a_changed_payload_verifies_nothing() -> None:
    signed = signed_value.sign("secret", "session", DATA)
    other = signed_value.sign("other", "session", {**DATA, "who": "eve"})
    assert signed_value.verify("secret", "session", f"{other.partition('.')[0]}.{signed.partition('.')[2]}") is None


def test_an_empty_secret_signs_nothing_that_verifies() -> None:
    assert signed_value.verify("", "session", signed_value.sign("", "session", DATA)) is None
