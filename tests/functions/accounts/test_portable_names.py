"""Files of an export have names that are unique and can be extracted on every common file system."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.accounts._portable_names import DEVICE, LONGEST_NAME, LONGEST_PATH, REFUSED, PortableNames


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("u1/m1", "u1/m1"),
        ("u1/2026/m-1.eml", "u1/2026/m-1.eml"),
        ("größe/北京.eml", "größe/北京.eml"),
        ('a?b:c*"<d>|e', "a_b_c___d__e"),
        ("a\\b", "a_b"),
        ("../../etc/passwd", "__/__/etc/passwd"),
        ("./a", "_/a"),
        ("a./b. ", "a_/b__"),
        ("/a//b/", "a/b"),
        ("CON", "_CON"),
        ("u/nul.eml", "u/_nul.eml"),
        ("aux .txt", "_aux .txt"),
        ("com1.tar.gz", "_com1.tar.gz"),
        ("console.eml", "console.eml"),
        ("u\u0308ber", "über"),
        ("a\u202egpj.exe", "a_gpj.exe"),
        ("", "_"),
        (" a", "_ a"),
    ],
)
def test_a_name_has_only_what_every_file_system_accepts(key: str, name: str) -> None:
    assert PortableNames().name(key) == name


@pytest.mark.parametrize(
    "keys",
    [
        ("a..b", "a_b", "a__b"),
        ("u/M1", "u/m1", "U/m1"),
        ("ü", "u\u0308", "Ü"),
        ("a", "a/b", "a/b/c"),
        ("a/b", "a", "A"),
        ("straße", "STRASSE"),
        ("x" * 300, "x" * 301, f"{'x' * 300}/y"),
        ("a:b", "a?b", "a_b"),
    ],
)
def test_different_messages_have_different_names(keys: tuple[str, ...]) -> None:
    first, second = PortableNames(), PortableNames()
    names = [first.name(key) for key in keys]
    check(names)
    assert [second.name(key) for key in keys] == names


@given(st.lists(st.text(st.sampled_from("aAbB./ :_\u0308ü\u212a\ud800"), max_size=12), unique=True, max_size=30))
def test_any_keys_have_unique_portable_names(keys: list[str]) -> None:
    names = PortableNames()
    check([names.name(key) for key in keys])


def check(names: list[str]) -> None:
    folded = [unicodedata.normalize("NFC", name).casefold() for name in names]
    assert len(set(folded)) == len(folded)
    folders = {"/".join(each.split("/")[:length]) for each in folded for length in range(1, each.count("/") + 1)}
    assert not folders & set(folded)
    for name in names:
        assert len(name) <= LONGEST_PATH
        assert not REFUSED.search(name)
        for segment in name.split("/"):
            assert segment
            assert len(segment.encode()) <= LONGEST_NAME
            assert segment.rstrip(". ") == segment
            assert not DEVICE.match(segment)
