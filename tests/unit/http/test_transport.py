"""Responses in unusual forms: one meaning, or refused; bounded in time and size."""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPException
from urllib.parse import urlsplit

import pytest
from urllib3.exceptions import HTTPError

from shared.http.transport import CallLimits, RawResponse, Transport, is_unsent, reason_of

LIMITS = CallLimits(connect=1, read=0.5, total=3, most=1000)
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
Answer = Callable[[bytes | Iterator[bytes]], str]


@pytest.fixture
def serve() -> Iterator[Answer]:
    """Send these bytes to each connection; returns the URL."""
    with contextlib.ExitStack() as servers:

        def start(answer: bytes | Iterator[bytes]) -> str:
            server = servers.enter_context(socket.create_server(("127.0.0.1", 0)))

            def take() -> None:
                with contextlib.suppress(OSError):
                    while True:
                        line, _ = server.accept()
                        with line, contextlib.suppress(OSError):
                            line.recv(65536)
                            for part in [answer] if isinstance(answer, bytes) else answer:
                                line.sendall(part)

            threading.Thread(target=take, daemon=True).start()
            return f"http://127.0.0.1:{server.getsockname()[1]}/"

        yield start


def exchange(url: str, limits: CallLimits = LIMITS) -> RawResponse:
    transport = Transport()
    try:
        return transport.exchange("GET", urlsplit(url), {}, None, limits)
    finally:
        transport.close()


@pytest.mark.parametrize(
    "interim",
    [
        b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n",
        b"HTTP/1.1 102 Processing\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 199 Odd\r\nx: y\r\n\r\n" * 5,
    ],
)
def test_an_interim_response_is_not_the_response(interim: bytes, serve: Answer) -> None:
    response = exchange(serve(interim + OK))
    assert (response.status, response.body, response.header("link")) == (200, b"hi", None)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 103 x\r\n\r\n" * 1000,
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n",
        b"HTTP/0.9 200 OK\r\n\r\nhi",
        b"hi",
        b"HTTP/2.0 200 OK\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2, 3\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1_0\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 1000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 2**20 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhi\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"1" * 2**20,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n" + b"x: y\r\n" * 2**19,
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhi",
    ],
    ids=range(17),
)
def test_a_response_with_two_meanings_or_without_end_is_none(answer: bytes, serve: Answer) -> None:
    with pytest.raises((HTTPError, HTTPException, OSError)) as refused:
        exchange(serve(answer))
    assert not is_unsent(refused.value)
    assert reason_of(refused.value, LIMITS)


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx-sum: 1\r\n\r\n", b"hi"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;a=b\r\nhi\r\n0\r\n\r\n", b"hi"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nhi", b"hi"),
        (b"HTTP/1.0 200 OK\r\n\r\nhi", b"hi"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    ],
)
def test_a_body_ends_where_its_framing_says(answer: bytes, body: bytes, serve: Answer) -> None:
    response = exchange(serve(answer))
    assert (response.body, response.truncated) == (body, False)
    assert response.header("x-sum") is None


def test_a_header_that_continues_on_the_next_line_is_one_line(serve: Answer) -> None:
    response = exchange(serve(b"HTTP/1.1 200 OK\r\nX-A: one\r\n\t two\r\nset-cookie: a\r\nset-cookie: b\r\n\r\n"))
    assert (response.header("x-a"), response.all("set-cookie")) == ("one two", ("a", "b"))


def test_a_compression_bomb_is_unpacked_up_to_the_limit(serve: Answer) -> None:
    packed = gzip.compress(b"x" * 10_000_000)
    response = exchange(serve(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n" + packed))
    assert (len(response.body), response.truncated) == (1000, True)


def dripping(head: bytes) -> Iterator[bytes]:
    yield head
    while True:
        time.sleep(0.02)
        yield b"x"


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nx: ",
        b"HTTP/1.1 103 x\r\n\r\nHTTP/1.1 ",
        b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n",
    ],
)
def test_a_server_that_drips_is_cut_off(head: bytes, serve: Answer) -> None:
    with pytest.raises((HTTPError, OSError)) as late:
        exchange(serve(dripping(head)))
    assert "longer than 0.5 s" in reason_of(late.value, LIMITS) or "within 0.5 s" in reason_of(late.value, LIMITS)


def test_a_body_that_is_not_wanted_is_not_read(serve: Answer) -> None:
    response = exchange(serve(dripping(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n")), CallLimits(1, 1, 1, 0))
    assert (response.status, response.body) == (200, b"")


def test_only_addresses_of_the_resolver_are_called(serve: Answer) -> None:
    port = urlsplit(serve(OK)).port
    asked: list[tuple[str, int]] = []

    def resolver(host: str, number: int) -> list[str]:
        asked.append((host, number))
        return ["127.0.0.1"]

    transport = Transport(resolver)
    limits = CallLimits(1, 1, 1, 10)
    response = transport.exchange("GET", urlsplit(f"http://name.invalid:{port}/a?b"), {}, None, limits)
    assert (response.body, asked) == (b"hi", [("name.invalid", port)])


def test_an_error_of_the_resolver_is_raised_as_it_is() -> None:
    class Forbidden(PermissionError):
        pass

    def resolver(_host: str, _port: int) -> list[str]:
        raise Forbidden

    with pytest.raises(Forbidden):
        Transport(resolver).exchange("GET", urlsplit("http://a.example/"), {}, None, LIMITS)
