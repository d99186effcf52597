"""One address is accepted as it is, and nothing around it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.text.mail_address import InvalidAddress, parse_address, parse_named_address


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("ada@home.example", "ada@home.example"),
        ("Ada.Byron+x@Home.Example", "Ada.Byron+x@home.example"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
        ("ada@faß.example", "ada@xn--fa-hia.example"),
        ('"john doe"@home.example', '"john doe"@home.example'),
        ('"a@b"@home.example', '"a@b"@home.example'),
        ("юля@почта.рф", "юля@xn--80a1acny.xn--p1ai"),
        ("o'neil/x=y@home.example", "o'neil/x=y@home.example"),
        ("bounce+ada=x.example@home.example.", "bounce+ada=x.example@home.example"),
    ],
)
def test_an_address_is_written_as_relays_take_it(text: str, written: str) -> None:
    assert str(parse_address(text)) == written


@pytest.mark.parametrize(
    "text",
    [
        "a:b@home.example",
        "foo(bar)@home.example",
        "x(y)z@home.example",
        "(x)ada@home.example",
        "ada@home.example(x)",
        "ada@(x)home.example",
        "team: ada@home.example;",
        "Ada <ada@home.example>",
        "<ada@home.example>",
        "ada@home.example, eve@far.example",
        "ada@home.example;eve@far.example",
        "ada@home.example eve@far.example",
        "ada@home@far.example",
        "@a.example:ada@home.example",
        "ada @home.example",
        " ada@home.example",
        "ada@home.example ",
        "ada@ home.example",
        "ada@home.example\r\nRCPT TO:<eve@far.example>",
        "ada\0@home.example",
        "ada\t@home.example",
        'ada"x"@home.example',
        '"ada@home.example',
        '""@home.example',
        '"a\nb"@home.example',
        ".ada@home.example",
        "ada.@home.example",
        "a..b@home.example",
        "ada@",
        "@home.example",
        "ada",
        "",
        "ada@[192.0.2.1]",
        "ada@192.0.2.1",
        "ada@home..example",
        "ada@-home.example",
        "a\u202eda@home.example",
        "ada\uff20far.example@home.example",
        "a\ufe13b@home.example",
        "ada\ud800@home.example",
        f"{'a' * 65}@home.example",
        f"ada@{'a.' * 126}example",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidAddress):
        parse_address(text)


@pytest.mark.parametrize(
    ("text", "name", "address"),
    [
        ("post@in.example", "", "post@in.example"),
        ("Post Office <post@in.example>", "Post Office", "post@in.example"),
        ('"Office, Post" <post@in.example>', "Office, Post", "post@in.example"),
        ("Größe <post@bücher.example>", "Größe", "post@xn--bcher-kva.example"),
    ],
)
def test_a_sender_has_a_name(text: str, name: str, address: str) -> None:
    found = parse_named_address(text)
    assert (found[0], str(found[1])) == (name, address)


@pytest.mark.parametrize(
    "text",
    ["Office, Post <post@in.example>", "A <a@b.example> <c@d.example>", "x\r\nBcc: <a@b.example>", "A: <a@b.example>"],
)
def test_a_sender_that_is_more_than_one_is_refused(text: str) -> None:
    with pytest.raises(InvalidAddress):
        parse_named_address(text)


@given(st.text(max_size=40), st.text(max_size=20))
def test_what_is_accepted_is_one_recipient_for_any_other_parser(local: str, domain: str) -> None:
    try:
        address = str(parse_address(f"{local}@{domain}.example"))
    except InvalidAddress:
        return
    assert not any(sign in address.rpartition("@")[2] for sign in '\r\n \t<>(),;:@"')
    assert parse_address(address) == parse_address(str(parse_address(address)))


@pytest.mark.parametrize("unit", ["a", "a.", "@", '"', '"\\', "<", "я", "("])
def test_a_long_text_takes_no_time(unit: str) -> None:
    text = unit * (1024 * 1024 // len(unit))
    start = time.process_time()
    for given_text in (text, f"{text}@home.example", f"ada@{text}", f"<{text}>"):
        with pytest.raises(InvalidAddress):
            parse_address(given_text)
        with pytest.raises(InvalidAddress):
            parse_named_address(given_text)
    assert time.process_time() - start < 1
