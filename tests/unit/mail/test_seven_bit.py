"""Messages in 7 bits: the same content, for relays that accept nothing else."""

from __future__ import annotations

import time
from contextlib import suppress
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.mail.message import MailRefused
from shared.mail.seven_bit import LONGEST_LINE, ascii_headers, has_long_lines, in_seven_bits, needs_eight_bits

UMLAUTS = "Grüße.\r\n".encode()


def read(message: bytes) -> EmailMessage:
    return message_from_bytes(message, policy=policy.default)


def multipart(boundary: bytes, *parts: bytes) -> bytes:
    head = b"Content-Type: multipart/mixed; boundary=%s\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" % boundary
    return head + b"".join(b"--%s\r\n%s\r\n" % (boundary, part) for part in parts) + b"--%s--\r\n" % boundary


PART = b'Content-Type: text/plain; charset="utf-8"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n' + UMLAUTS
FILE = b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n\x00\xff\x80\r\n"


def test_text_and_files_are_encoded_in_every_part() -> None:
    inner = multipart(b"in", PART, FILE)
    outer = b"Subject: x\r\n" + multipart(
        b"out", inner, PART, b"Content-Type: message/rfc822\r\n\r\n" + b"A: b\r\n" + PART
    )
    made = in_seven_bits(outer)
    assert made.isascii()
    leaves = [part for part in read(made).walk() if not part.is_multipart()]
    assert [part.get_content().strip() for part in leaves if part.get_content_maintype() == "text"] == ["Grüße."] * 3
    [file] = [part for part in leaves if part.get_content_maintype() == "application"]
    assert file.get_content().strip() == b"\x00\xff\x80"


def test_a_message_in_seven_bits_stays_as_it_is() -> None:
    message = b"Subject:  odd   spaces\r\nX: y\r\n\r\nbody \r\n--\r\n"
    assert in_seven_bits(message) == message
    assert not needs_eight_bits(message)


def test_a_part_that_needs_nothing_stays_as_it_is() -> None:
    plain = b"Content-Type: text/plain\r\nX-Odd:   kept\r\n\r\nplain\r\n"
    assert plain in in_seven_bits(multipart(b"b", PART, plain))


def test_lines_that_are_too_long_are_encoded() -> None:
    text = b"x" * (LONGEST_LINE + 1)
    message = b"Subject: x\r\n\r\n" + text + b"\r\n"
    assert has_long_lines(message)
    assert not has_long_lines(b"\r\n\r\n" + b"x" * LONGEST_LINE + b"\r\n")
    made = in_seven_bits(message)
    assert max(map(len, made.split(b"\r\n"))) <= LONGEST_LINE
    assert read(made).get_content().strip() == text.decode()


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Subject: Grüße aus Köln", "Grüße aus Köln"),
        ("X-Note: ж" * 1, "ж"),
        ("To: Jörg <joerg@home.example>", "Jörg <joerg@home.example>"),
        ("Cc: Bücher <a@bücher.example>, b@home.example", "Bücher <a@xn--bcher-kva.example>, b@home.example"),
        ("To: Юля <юля@почта.рф>", '"Юля (юля@почта.рф)":;'),
        ("Received: from köln by x", "from k??ln by x"),
    ],
)
def test_a_header_is_encoded_as_its_syntax_allows(header: str, expected: str) -> None:
    name = header.partition(":")[0]
    made = ascii_headers(f"{header}\r\n\r\n".encode() + UMLAUTS)
    head, _, body = made.partition(b"\r\n\r\n")
    assert head.isascii()
    assert b"@=?" not in head
    assert read(made)[name] == expected
    assert body == UMLAUTS


def test_a_file_name_is_encoded() -> None:
    made = ascii_headers('Content-Disposition: attachment; filename="Grüße.txt"\r\n\r\nx'.encode())
    assert made.isascii()
    assert read(made).get_filename() == "Grüße.txt"


def test_a_header_with_a_name_outside_ascii_is_dropped() -> None:
    assert ascii_headers("Größe: 5\r\nSubject: x\r\n\r\n".encode()) == b"Subject: x\r\n\r\n"


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_any_message_becomes_ascii(head: bytes, body: bytes) -> None:
    message = (head + b"\r\n\r\n" + body).replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    body = message[message.find(b"\r\n\r\n") + 2 :] if not message.startswith(b"\r\n") else message
    made = ascii_headers(message)
    assert made.endswith(body)
    assert made.removesuffix(body).isascii()
    assert in_seven_bits(message).isascii()


def test_parts_that_are_nested_without_end_are_refused() -> None:
    message = PART
    for level in range(40):
        message = multipart(b"b%d" % level, message)
    with pytest.raises(MailRefused):
        in_seven_bits(message)


@pytest.mark.parametrize(
    "unit", [b"\xff", b"\r\n", b"--b\r\n", b"\xe4\r\n--b\r\n", b"a: \xff\r\n", b"Subject: \xff\r\n", b"(", b"x"]
)
def test_a_large_message_takes_no_time(unit: bytes) -> None:
    many = unit * (1024 * 1024 // len(unit))
    start = time.process_time()
    with suppress(MailRefused):
        in_seven_bits(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + many)
    in_seven_bits(many + b"\r\n\r\n\xff")
    ascii_headers(b"To: " + many.replace(b"\r\n", b"\r\n ") + b"\xff\r\n\r\n")
    assert time.process_time() - start < 3
