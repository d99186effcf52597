"""Calls of untrusted URLs: one checked address, no redirects, one time limit."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from shared.aws.cloud import Cloud
from shared.http.client import NoResponse, NotSent
from shared.http.ssrf import ForbiddenUrl
from shared.http.untrusted import UntrustedHttpClient
from tests.support.certificate import Certificate
from tests.support.dns_answers import resolving
from tests.support.web_server import Reply, Web, babble, hang, reset, slow_headers


@pytest.fixture
def web() -> Iterator[Web]:
    with Web() as web:
        yield web


@pytest.fixture
def client(cloud: Cloud) -> UntrustedHttpClient:
    return UntrustedHttpClient(cloud, loopback=True, connect=1, total=1)


def call(client: UntrustedHttpClient, url: str) -> Any:
    return client.call("POST", url, headers={"content-type": "application/json"}, body="{}", key="k")


def test_the_checked_address_is_called_although_the_name_changes_in_between(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = resolving(monkeypatch, ["93.184.215.14"], ["127.0.0.1"])
    reached: list[Any] = []

    def connect(line: socket.socket, address: Any) -> None:
        reached.append(address)
        timeout = line.gettimeout()
        assert timeout is not None
        assert timeout <= 2
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(socket.socket, "connect", connect)
    with pytest.raises(NotSent, match="Connection refused"):
        call(UntrustedHttpClient(cloud, connect=5, total=2), "https://hooks.shop.com/")
    assert (asked, reached) == (["hooks.shop.com"], [("93.184.215.14", 443)])


def test_a_connection_to_another_address_is_not_used(cloud: Cloud, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, ["93.184.215.14"])
    really = socket.socket.connect

    def connect(self: socket.socket, _address: Any) -> None:
        really(self, ("127.0.0.1", web.server_port))

    monkeypatch.setattr(socket.socket, "connect", connect)
    with pytest.raises(NotSent, match="another address"):
        call(UntrustedHttpClient(cloud), "https://hooks.shop.com/")
    assert web.asked == []


def test_loopback_is_refused_by_default(cloud: Cloud, web: Web) -> None:
    web.answers["/hook"] = Reply(204)
    assert call(UntrustedHttpClient(cloud, loopback=True), f"{web.url}/hook").status == 204
    with pytest.raises(ForbiddenUrl):
        call(UntrustedHttpClient(cloud), f"{web.url}/hook")
    for url in ("http://10.0.0.1/", "http://shop.com/", "https://169.254.169.254/", "https://[::ffff:127.0.0.1]/"):
        with pytest.raises(ForbiddenUrl):
            call(UntrustedHttpClient(cloud, loopback=True), url)


def test_method_path_headers_and_body_are_sent_as_given(client: UntrustedHttpClient, web: Web) -> None:
    web.answers["/hook?a=b"] = Reply(202, "thanks", {"Retry-After": "7", "Set-Cookie": "a=b"})
    answer = call(client, f"{web.url}/hook?a=b")
    [asked] = web.asked
    assert (asked.method, asked.path, asked.body, asked.headers["host"]) == ("POST", "/hook?a=b", "{}", web.host)
    assert asked.headers["idempotency-key"] == "k"
    assert (answer.status, answer.retry_after, answer.text, "set-cookie" in answer.headers) == (202, 7, "", False)


def test_the_certificate_must_be_valid_for_the_host(
    cloud: Cloud, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Web(certificate.server()) as web:
        web.answers["/"] = Reply(200)
        with pytest.raises(NotSent):
            call(UntrustedHttpClient(cloud, loopback=True), f"{web.url}/")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.file))
        assert call(UntrustedHttpClient(cloud, loopback=True), f"{web.url}/").status == 200
        # A trusted certificate for another host.
        resolving(monkeypatch, ["127.0.0.1"])
        with pytest.raises(NotSent):
            call(UntrustedHttpClient(cloud, loopback=True), f"https://hooks.shop.com:{web.server_port}/")
        assert len(web.asked) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(status: int, client: UntrustedHttpClient, web: Web) -> None:
    web.answers["/hook"] = Reply(status, headers={"location": "http://169.254.169.254/latest/meta-data/"})
    assert call(client, f"{web.url}/hook").status == status
    assert web.paths() == ["/hook"]


@pytest.mark.parametrize("behaviour", [hang, slow_headers, babble, reset])
def test_a_receiver_without_a_response_is_cut_off_in_time(
    behaviour: Callable[..., None], client: UntrustedHttpClient, web: Web
) -> None:
    web.answers["/hook"] = behaviour
    began = time.monotonic()
    with pytest.raises(NoResponse):
        call(client, f"{web.url}/hook")
    assert time.monotonic() - began < 3


def test_a_receiver_without_a_tls_handshake_is_cut_off_in_time(client: UntrustedHttpClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        began = time.monotonic()
        with pytest.raises(NotSent, match="no connection within"):
            call(client, f"https://127.0.0.1:{server.getsockname()[1]}/")
    assert time.monotonic() - began < 3


def test_a_receiver_that_reads_the_body_slowly_is_cut_off_in_time(
    cloud: Cloud, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sending has one time limit for the whole body, and not one per write."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.file))
    client = UntrustedHttpClient(cloud, loopback=True, connect=1, total=0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)

        def take() -> None:
            line, _ = server.accept()
            with suppress(OSError), certificate.server().wrap_socket(line, server_side=True) as tls:
                while tls.recv(2048):
                    time.sleep(0.1)

        threading.Thread(target=take, daemon=True).start()
        began = time.monotonic()
        with pytest.raises(NoResponse, match="no answer within"):
            client.call("POST", f"https://127.0.0.1:{server.getsockname()[1]}/", headers={}, body="x" * 2**23, key="k")
    assert time.monotonic() - began < 2


def test_a_body_of_ten_gigabytes_is_not_read(client: UntrustedHttpClient, web: Web) -> None:
    def flood(handler: Any, request: Any) -> None:
        handler.send_response(200)
        handler.send_header("content-length", str(10 * 2**30))
        handler.end_headers()
        try:
            while not handler.server.stopping.is_set():
                handler.wfile.write(b"x" * 65536)
        except OSError:
            handler.server.gone = True
        handler.close_connection = True

    web.answers["/hook"] = flood
    began = time.monotonic()
    assert call(client, f"{web.url}/hook").status == 200
    assert time.monotonic() - began < 1


def test_endless_headers_are_cut_off(client: UntrustedHttpClient, web: Web) -> None:
    def heads(handler: Any, request: Any) -> None:
        handler.close_connection = True
        while not handler.server.stopping.is_set():
            handler.wfile.write(b"HTTP/1.1 100 Continue\r\nx: y\r\n\r\n" * 50)

    web.answers["/hook"] = heads
    with pytest.raises(NoResponse):
        call(client, f"{web.url}/hook")
