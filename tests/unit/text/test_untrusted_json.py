"""Outside JSON: what is accepted, what is refused, and with which reason."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.text.untrusted_json import InvalidJson, parse_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES, st.booleans())
def test_json_of_this_project_is_read_back(value: Any, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert parse_json(text) == value
    assert parse_json(text.encode()) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": 5, "a": 6}', "has the key 'a' twice"),
        ('[{"x": {"ключ": 1, "\\u043a\\u043b\\u044e\\u0447": 2}}]', "has the key '\\u043a\\u043b\\u044e\\u0447' twice"),
        ("[" * 65 + "]" * 65, "nested more than 64 levels"),
        ("[" * 16_000, "nested more than 64 levels"),
        ('{"a":' * 3_000 + "1" + "}" * 3_000, "nested more than 64 levels"),
        ("NaN", "has NaN, which is not JSON"),
        ('{"limit": -Infinity}', "has -Infinity"),
        ("1e999", "beyond the range of a float"),
        ("9" * 5_000, "a number of more than 4300 digits"),
        ('"\\ud800"', "half of a surrogate pair"),
        ('{"\\uDFFF": 1}', "half of a surrogate pair"),
        ('"\ud800"', "half of a surrogate pair"),
        ("", "is not JSON, see line 1, column 1"),
        ("[1,]", "is not JSON"),
        (b"\xff\xfe{\x00}\x00", "is not UTF-8: invalid start byte at byte 0"),
        ("[" + "1," * 600_000 + "1]", "at most 1048576 are accepted"),
        ("é" * 600_000, "has 1200000 bytes"),
    ],
)
def test_the_reason_is_said(text: str | bytes, reason: str) -> None:
    with pytest.raises(InvalidJson) as refused:
        parse_json(text)
    assert reason in str(refused.value)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[" * 64 + "]" * 64, None),
        ('"' + "[" * 1_000 + '"', "[" * 1_000),
        ('"\\"' + "{" * 1_000 + '\\\\"', '"' + "{" * 1_000 + "\\"),
        ('"\\ud83d\\ude00"', "\U0001f600"),
        ('"\\\\ud800"', "\\ud800"),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        ("\ufeff1", 1),
    ],
)
def test_what_only_looks_like_a_fault_is_accepted(text: str | bytes, value: Any) -> None:
    found = parse_json(text)
    assert value is None or found == value


def test_a_limit_of_the_caller_holds() -> None:
    assert parse_json("[[1]]", max_depth=2, max_bytes=5) == [[1]]
    with pytest.raises(InvalidJson):
        parse_json("[[1]]", max_depth=1)
    with pytest.raises(InvalidJson):
        parse_json("[[1] ]", max_bytes=5)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        value = parse_json(text)
    except InvalidJson:
        return
    assert value == json.loads(text.removeprefix("\ufeff"))
