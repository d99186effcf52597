"""Keys of the state table: their documented forms are what the functions return."""

from __future__ import annotations

import inspect
import re

import pytest

from cli.generate.state_keys_page import KeyForm, key_forms
from shared.store import keys

# Arguments that a function converts; the others are "x".
VALUES = {
    "day": "2026-03-02",
    "fence": 7,
    "shard": 3,
    "at": "2026-03-02T12:00:00.000Z",
    "run_id": "20260302T120000.000Z-1a2b",
    "part": "job",
    "attempt": 1,
}


@pytest.mark.parametrize("form", list(key_forms()), ids=lambda form: form.function)
def test_a_key_has_its_documented_form(form: KeyForm) -> None:
    function = getattr(keys, form.function)
    arguments = {name: VALUES.get(name, "x") for name in inspect.signature(function).parameters}
    returned = function(**arguments)
    for documented, part in zip(
        (form.pk, form.sk) if form.sk else (form.pk,), returned if form.sk else (returned,), strict=True
    ):
        assert any(re.fullmatch(pattern, part) for pattern in patterns(documented)), (documented, part)


def patterns(documented: str) -> list[str]:
    """A regular expression for each documented form: forms are in backticks, and their variable parts in brackets."""
    return [re.sub(r"<[^>]+>", _pattern, form) for form in re.findall("`(.+?)`", documented)]


def _pattern(part: re.Match[str]) -> str:
    return r"\d{4}-\d\d-\d\d" if part[0] == "<yyyy-mm-dd>" else ".+"


def test_effects_are_spread_over_a_fixed_number_of_partitions() -> None:
    partitions = {keys.effect("job", f"user-{number}").pk for number in range(1000)}
    assert partitions == {keys.effects("job", shard) for shard in range(keys.EFFECT_SHARDS)}
    # The partition of a key must never change: rows are looked up by it.
    assert keys.effect("job", "user-1").pk == "effect#job#04"


def test_a_pattern_of_a_grant_covers_the_keys() -> None:
    assert keys.claims("*") == "*:last"
    assert keys.runs("purge", "*") == "runs#purge#*"
    assert keys.effects("purge", "*") == "effect#purge#*"
