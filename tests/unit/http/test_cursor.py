"""Cursors of listings."""

from __future__ import annotations

import base64

import pytest

from shared.http import cursor
from shared.http.problem import INVALID_CURSOR, Problem


@pytest.mark.parametrize("key", ["a", "@kb-labs/plugin-template:hello-cron", "ü🦊", "a\nb", "x" * 300])
def test_a_cursor_gives_its_key_back(key: str) -> None:
    text = cursor.encode("jobs", key)
    assert cursor.decode("jobs", text) == key
    assert cursor.listing_of(text) == "jobs"
    assert text.isascii()


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "jobs", "%%%", "ü", "=", "a" * 2000, cursor.encode("runs", "a"), cursor.encode("jobs", "")),
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
        base64.urlsafe_b64encode(b"jobs").decode(),
        cursor.encode("jobs", "y" * 1000),
    ],
)
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(Problem) as refused:
        cursor.decode("jobs", text)
    assert refused.value.kind is INVALID_CURSOR


def test_a_text_that_is_no_cursor_has_no_listing() -> None:
    with pytest.raises(Problem):
        cursor.listing_of("%%%")
