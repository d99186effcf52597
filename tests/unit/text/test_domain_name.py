"""Domain names in ASCII, by IDNA 2008."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.text.domain_name import InvalidDomain, ascii_domain, unicode_domain


@pytest.mark.parametrize(
    ("name", "encoded"),
    [
        ("straße.example", "xn--strae-oqa.example"),
        ("faß.example", "xn--fa-hia.example"),
        ("βόλος.example", "xn--nxasmm1c.example"),
        ("\u0646\u0627\u0645\u0647\u200c\u0627\u06cc.example", "xn--mgba3gch31f060k.example"),
        ("BÜCHER.Example.", "xn--bcher-kva.example"),
        ("bu\u0308cher.example", "xn--bcher-kva.example"),
        ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
        ("\uff45\uff58ample.com", "example.com"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("_mail-challenge.straße.example", "_mail-challenge.xn--strae-oqa.example"),
        ("r3---sn-4g5e6nez.example", "r3---sn-4g5e6nez.example"),
        ("localhost", "localhost"),
    ],
)
def test_names_are_encoded(name: str, encoded: str) -> None:
    assert ascii_domain(name) == encoded
    assert ascii_domain(unicode_domain(encoded)) == encoded


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "a..b",
        ".example",
        "*.example.com",
        "http://example.com",
        "a b.example",
        "-a.example",
        "a-.example",
        "xn--a.example",
        "xn--strasse-.example",
        "a" * 64 + ".example",
        ".".join(["abcdefgh"] * 30),
        "ü" * 64 + ".example",
        "☃\ufe0f\u202e.example",
        "user@example.com",
        "example.com:80",
        "a\x00.example",
        "a\n.example",
        "\ud800.example",
        "x" * 100_000,
    ],
)
def test_other_text_is_refused(name: str) -> None:
    with pytest.raises(InvalidDomain, match="is not a domain name"):
        ascii_domain(name)


@given(st.text())
def test_any_text_is_encoded_or_refused(name: str) -> None:
    try:
        encoded = ascii_domain(name)
    except InvalidDomain:
        return
    assert encoded.isascii()
    assert ascii_domain(encoded) == encoded
    assert ascii_domain(encoded.upper()) == encoded


def test_a_name_that_cannot_be_decoded_is_shown_as_it_is() -> None:
    assert unicode_domain("xn--strae-oqa.example") == "straße.example"
    assert unicode_domain("xn--\x00.example") == "xn--\x00.example"
    assert unicode_domain("example.com") == "example.com"
