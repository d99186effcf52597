"""TOML from outside is parsed within limits, and refused with a reason and its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.text.untrusted_toml import InvalidToml, parse_toml, read_toml


@pytest.mark.parametrize(
    ("content", "reason", "line"),
    [
        (b"a = " + b"1" * 5000, "has a whole number beyond 64 bits", 1),
        (b"a = 0x" + b"f" * 5000, "has a whole number beyond 64 bits", 1),
        (b"a = [{b = [9223372036854775808]}]", "has a whole number beyond 64 bits", 1),
        (b"a = " + b"[" * 5000 + b"]" * 5000, "is nested too deeply", 1),
        (b"a = " + b"{a = " * 5000, "is nested too deeply", 1),
        (b"\na = 1\na = 2\n", "is not TOML", 3),
        (b"\na = 2026-02-30", "is not TOML", 2),
        (b"\n" + b"a." * 201 + b"a = 1", "a line has more than 200 dots", 2),
        (b'a = "\xff"', "is not UTF-8", 1),
        (b"#" * 70_000, "is larger than 65,536 bytes", 1),
    ],
)
def test_a_text_beyond_a_limit_is_refused_with_its_reason(content: bytes, reason: str, line: int) -> None:
    with pytest.raises(InvalidToml, match=reason) as refused:
        parse_toml(content)
    assert refused.value.line == line
    assert len(str(refused.value)) < 200


def test_numbers_of_64_bits_are_read() -> None:
    content = b"least = -9223372036854775808\nmost = 9223372036854775807\nflag = true"
    assert parse_toml(content)[1] == {"least": -(2**63), "most": 2**63 - 1, "flag": True}


def test_a_caller_may_set_other_limits(tmp_path: Path) -> None:
    (file := tmp_path / "a.toml").write_bytes(b"#" * 70_000 + b"." * 300)
    assert read_toml(file, max_bytes=80_000, max_dots=300)[1] == {}
    with pytest.raises(InvalidToml, match="more than 299 dots"):
        read_toml(file, max_bytes=80_000, max_dots=299)
