"""Attribute values: plain data survives the conversion, and sizes are as DynamoDB bills them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.aws import attributes

NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
DATA = st.recursive(
    st.none() | st.booleans() | st.text() | NUMBERS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(DATA)
def test_plain_data_is_unpacked_as_it_was_packed(value: Any) -> None:
    unpacked = attributes.unpack(attributes.pack(value))
    assert (unpacked, type(unpacked)) == (value, type(value))


def test_a_flag_is_not_stored_as_a_number() -> None:
    assert attributes.pack(True) == {"BOOL": True}


def test_a_set_of_texts_is_stored_in_order() -> None:
    assert attributes.pack({"b", "a"}) == {"SS": ["a", "b"]}


def test_what_a_row_cannot_hold_is_refused() -> None:
    with pytest.raises(TypeError, match="a row cannot hold bytes"):
        attributes.pack(b"a")


def test_attributes_without_a_value_are_left_out_of_a_row() -> None:
    assert attributes.row({"a": 1, "b": None}) == {"a": {"N": "1"}}
    assert attributes.plain(None) == {}


@pytest.mark.parametrize(
    ("value", "size"),
    [("abc", 3), ("\u00e4", 2), (7, 2), (1234, 3), (-7, 3), (True, 1), ([1, 2], 9), ({"ab": "c"}, 7), ({"a", "bc"}, 3)],
)
def test_a_value_has_the_size_that_dynamodb_bills(value: Any, size: int) -> None:
    assert attributes.size({"name": attributes.pack(value)}) == len("name") + size
