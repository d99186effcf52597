"""Where a synthesis keeps its compiled modules."""

from __future__ import annotations

import sys

import pytest

from infra import bytecode


@pytest.mark.parametrize(
    ("forbidden", "prefix", "expected"),
    [(True, None, str(bytecode.FOLDER)), (True, "/elsewhere", "/elsewhere"), (False, None, None)],
)
def test_modules_are_compiled_once_wherever_the_environment_allows(
    monkeypatch: pytest.MonkeyPatch, forbidden: bool, prefix: str | None, expected: str | None
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", forbidden)
    monkeypatch.setattr(sys, "pycache_prefix", prefix)
    bytecode.keep()
    assert sys.pycache_prefix == expected
    assert not sys.dont_write_bytecode
