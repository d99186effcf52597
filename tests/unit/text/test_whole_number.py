"""Whole numbers from outside are ASCII digits within a range."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.text.whole_number import InvalidNumber, is_whole_number, parse_whole_number


@given(st.integers(0, 10**18 - 1), st.integers(0, 3))
def test_a_number_is_read_as_it_is_written(number: int, zeros: int) -> None:
    assert parse_whole_number("0" * zeros + str(number)) == number


@pytest.mark.parametrize(
    "text", ["", " 1", "1\n", "+1", "-1", "1_000", "1.0", "1e3", "\u0663", "\uff13", "\u00b2", "\u0967"]
)
def test_other_forms_of_numbers_are_refused(text: str) -> None:
    assert not is_whole_number(text)
    with pytest.raises(InvalidNumber, match="not a whole number in the digits 0 to 9"):
        parse_whole_number(text)


@given(st.text(st.characters(categories=["Nd", "Nl", "No"]), min_size=1))
def test_digits_of_other_scripts_are_no_numbers(text: str) -> None:
    assert is_whole_number(text) == text.isascii()


@pytest.mark.parametrize("text", ["0", "51", "9" * 5000])
def test_a_number_out_of_range_is_refused(text: str) -> None:
    with pytest.raises(InvalidNumber, match="is not from 1 to 50"):
        parse_whole_number(text, least=1, most=50)
