"""Requests on behalf of a plugin, to a server on this machine."""

from __future__ import annotations

import http.server
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from shared.plugins.denied import NetDenied
from shared.plugins.host import net
from shared.plugins.manifest.permissions import Permissions
from tests.plugins.conftest import Sandboxed

HERE = Permissions(net=("localhost", "127.0.0.1", "name.example"))


class Handler(http.server.BaseHTTPRequestHandler):
    """Echoes requests; `/away` redirects to another host, `/large` never ends."""

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0"))).decode()
        asked = {"method": self.command, "path": self.path, "headers": dict(self.headers), "body": body}
        self.send_response(302 if self.path == "/away" else 200)
        if self.path == "/away":
            self.send_header("Location", "http://169.254.169.254/")
        self.send_header("X-Told", "Yes")
        self.end_headers()
        if self.path == "/large":
            for _ in range(9):
                self.wfile.write(b"x" * (1 << 20))
        self.wfile.write(json.dumps(asked).encode())

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - as the server has them

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def asked(url: str, method: str = "GET", headers: dict[str, str] | None = None, body: bytes = b"") -> Any:
    return net.call(HERE, method, url, headers or {}, body, 5.0)


def test_a_handler_requests_an_allowed_host(sandboxed: Sandboxed, port: int) -> None:
    code = f"""
        got = context.http.get("http://localhost:{port}/a%20b?c=d", headers={{"X-Mine": "1"}})
        sent = context.http.post("http://127.0.0.1:{port}/", json={{"é": 1}}).json()
        gone = context.http.request("delete", "http://localhost:{port}/x", data="text").json()
        return [got.status, got.headers["x-told"], got.json(), sent, gone]
        """
    status, told, got, sent, gone = sandboxed(code, HERE).result
    assert (status, told, got["path"], got["headers"]["X-Mine"]) == (200, "Yes", "/a%20b?c=d", "1")
    assert got["headers"]["host"] == f"localhost:{port}"
    assert (sent["method"], sent["body"], sent["headers"]["content-type"]) == (
        "POST",
        '{"\\u00e9": 1}',
        "application/json",
    )
    assert (gone["method"], gone["body"]) == ("DELETE", "text")


def test_a_redirect_is_returned_and_not_followed(port: int) -> None:
    status, headers, _ = asked(f"http://localhost:{port}/away")
    assert (status, headers["location"]) == (302, "http://169.254.169.254/")


def test_headers_of_the_connection_are_set_by_the_host(port: int) -> None:
    given = {"Host": "other.example", "Transfer-Encoding": "chunked", "X-Mine": "1", "Connection": "upgrade"}
    told = json.loads(asked(f"http://localhost:{port}/", headers=given)[2])["headers"]
    assert told["host"] == f"localhost:{port}"
    assert told["X-Mine"] == "1"
    assert not {"Transfer-Encoding", "Connection"} & set(told)


@pytest.mark.parametrize("given", [{"x": "y\r\nz: 1"}, {"x y": "1"}, {"": "1"}, {"x": "\u4e00"}, {"x:": "1"}])
def test_an_invalid_header_is_refused(port: int, given: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"header|encode"):
        asked(f"http://localhost:{port}/", headers=given)


def test_a_response_that_is_too_large_is_an_error(port: int) -> None:
    with pytest.raises(ValueError, match="larger than 8,388,608 bytes"):
        asked(f"http://localhost:{port}/large")


def test_an_unreachable_host_is_a_connection_error() -> None:
    with pytest.raises(ConnectionError, match="localhost:1 did not answer"):
        asked("http://localhost:1/")


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fd00::1", "fe80::1%eth0"),
        # Internal addresses that ipaddress calls global: NAT64, 6to4, IPv4-compatible, a platform address.
        *("64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "::127.0.0.1", "168.63.129.16", "224.0.0.1", "fec0::1"),
    ],
)
def test_a_name_that_resolves_to_an_internal_address_is_refused(
    monkeypatch: pytest.MonkeyPatch, port: int, address: str
) -> None:
    found = [(2, 1, 6, "", ("93.184.216.34", port)), (2, 1, 6, "", (address, port))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(NetDenied, match="not a public address"):
        asked(f"http://name.example:{port}/")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:{}"),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://localhost:{}/2021-04-23/credentials"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:{}"),
    ],
)
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_requests_to_the_platforms_own_interfaces_are_refused(
    monkeypatch: pytest.MonkeyPatch, port: int, name: str, value: str, host: str
) -> None:
    monkeypatch.setenv(name, value.format(port + 1))
    assert asked(f"http://{host}:{port}/")[0] == 200
    monkeypatch.setenv(name, value.format(port))
    with pytest.raises(NetDenied, match="belongs to the platform"):
        asked(f"http://{host}:{port}/")
