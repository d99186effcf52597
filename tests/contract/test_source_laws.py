"""The laws of the source hold: house rules, import levels, prose. Each returns the faults of a tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract import test_house_rules, test_import_levels, test_outside_text, test_prose
from tests.contract.test_house_rules import Law

ROOT = Path(__file__).parents[2]
LAWS: list[Law] = [*test_house_rules.LAWS, *test_import_levels.LAWS, *test_outside_text.LAWS, *test_prose.LAWS]


@pytest.mark.parametrize("law", LAWS)
def test_the_source_keeps_the_law(law: Law) -> None:
    assert law(ROOT) == []


@pytest.mark.parametrize("law", LAWS)
def test_an_empty_tree_keeps_the_law(law: Law, tmp_path: Path) -> None:
    assert law(tmp_path) == []
