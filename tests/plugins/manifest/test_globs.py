"""Globs match whole parts of a path, in linear time."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.plugins.manifest import globs


@pytest.mark.parametrize(
    ("glob", "name", "expected"),
    [
        ("**/*.key", "a.key", True),
        ("**/*.key", "x/y/a.key", True),
        ("**/*.key", "a.keys", False),
        (".kb/t/**", ".kb/t/a/b", True),
        (".kb/t/**", ".kb/t", False),
        (".kb/t/**", ".kb/tt/a", False),
        ("**/.git/**", ".git/x", True),
        ("**/.git/**", "a/.git/b/c", True),
        ("*.json", "a/b.json", False),
        ("a?c", "a/c", False),
        ("a.c", "abc", False),
        ("a[b]c", "abc", False),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("a/**/b", "axb", False),
        ("a/*", "a/\n", True),
    ],
)
def test_a_glob_matches_whole_parts(glob: str, name: str, expected: bool) -> None:
    assert globs.matches(glob, name) is expected


def test_letter_case_is_ignored_where_asked() -> None:
    assert globs.matches("**/*.KEY", "a/b.key", any_case=True)
    assert not globs.matches("**/*.KEY", "a/b.key")
    # A disk that ignores case may fold more than ASCII.
    assert globs.matches("stra\u00dfe/*", "STRASSE/x", any_case=True)


def as_pattern(glob: str) -> re.Pattern[str]:
    """The same glob as a regular expression."""
    *folders, last = glob.split("/")
    characters = {"*": "[^/]*", "?": "[^/]"}
    pattern = ""
    for part in folders:
        pattern += (
            "(?:[^/]+/)*" if part == "**" else "".join(characters.get(each, re.escape(each)) for each in part) + "/"
        )
    if last == "**":
        pattern += "(?:[^/]+/)*[^/]+"
    else:
        pattern += "".join(characters.get(each, re.escape(each)) for each in last)
    return re.compile(pattern, re.DOTALL)


PARTS = st.sampled_from(["**", "*", "?", "a", "*a", "a*", "a*b", "?*", "*a*b*", "ab", ".", ""])


@given(st.lists(PARTS, min_size=1, max_size=4).map("/".join), st.text("ab./", max_size=10))
def test_a_glob_means_what_its_regular_expression_means(glob: str, name: str) -> None:
    assert globs.matches(glob, name) is (as_pattern(glob).fullmatch(name) is not None)


@pytest.mark.parametrize(
    ("glob", "name"),
    [
        ("own/*a*a*a*a*a*ab", "own/" + "a" * 1000),
        ("own/" + "**/a/" * 60 + "b", "own/" + "a/" * 500),
        ("own/" + "*a" * 120 + "b", "own/" + "a" * 1000),
        ("own/" + "?*" * 120 + "b", "own/" + "a" * 1000),
    ],
)
def test_a_glob_with_many_stars_does_not_backtrack(glob: str, name: str) -> None:
    assert not globs.matches(glob, name)
