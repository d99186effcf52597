"""Address of the console: without a slash at its end, and nothing where it is missing or invalid."""

from __future__ import annotations

import pytest

from shared.job.console_url import console_url


@pytest.mark.parametrize(
    ("given", "url"),
    [
        (" https://console.example/ ", "https://console.example"),
        ("http://127.0.0.1:7777", "http://127.0.0.1:7777"),
        ("console.example", ""),
        ("", ""),
    ],
)
def test_the_address_is_read(given: str, url: str) -> None:
    assert console_url({"NIGHTSHIFT_CONSOLE_URL": given}) == url


def test_there_is_no_default() -> None:
    assert console_url({}) == ""
