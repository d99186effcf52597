"""Function URLs on ports of this machine: `http://127.0.0.1:7776/...` for the break-glass function's."""

from __future__ import annotations

import http.client
import threading
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import urlsplit

from local.request_guard import GuardedHandler

# The most that Lambda takes. https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
LARGEST = 6 * 1024 * 1024
# Of one connection, not of the message (RFC 9110, 7.6.1).
HOP = {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
# Longer than any function may run.
SECONDS = 920


class FunctionUrlProxy:
    """Serves a Function URL on loopback: on `port`, or a free one."""

    def __init__(self, function_url: str, endpoint: str, port: int) -> None:
        identity = urlsplit(function_url).netloc.split(".")[0]
        engine, prefix = urlsplit(endpoint).netloc, f"/_aws/lambda-url/{identity}"

        class Bound(_Handler):
            upstream = (engine, prefix)

        try:
            self._server = _Server(("127.0.0.1", port), Bound)
        except OSError:
            self._server = _Server(("127.0.0.1", 0), Bound)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, name=f"door-{port}", daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False


class _Handler(GuardedHandler):
    protocol_version = "HTTP/1.1"
    upstream: ClassVar[tuple[str, str]]

    def pass_on(self) -> None:
        """Forward the request with the same path and query, without added headers."""
        length = self.headers.get("Content-Length", "0")
        if self.headers.get("Transfer-Encoding"):
            return self._refuse(HTTPStatus.LENGTH_REQUIRED, "say Content-Length")
        if not length.isdecimal():
            return self._refuse(HTTPStatus.BAD_REQUEST, f"Content-Length {length!r} is no length")
        if int(length) > LARGEST:
            return self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body is at most {LARGEST} bytes")
        # `self.path` has its leading slashes made one.
        target = self.requestline.split(" ")[1]
        if not target.startswith("/"):
            return self._refuse(HTTPStatus.BAD_REQUEST, "the request line names no path")
        engine, prefix = self.upstream
        connection = http.client.HTTPConnection(engine, timeout=SECONDS)
        try:
            connection.putrequest(self.command, prefix + target, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in HOP:
                    connection.putheader(name, value)
            connection.endheaders(self.rfile.read(int(length)))
            answer = connection.getresponse()
            body = answer.read()
        except OSError as error:
            return self._refuse(HTTPStatus.BAD_GATEWAY, f"the local cloud does not answer: {error}")
        finally:
            connection.close()
        kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in {*HOP, "content-length"}]
        return self._answer(answer.status, kept, body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = pass_on  # noqa: N815

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        # What was sent and not read would be taken for the next request.
        self.close_connection = True
        self._answer(status, [("Content-Type", "text/plain"), ("Connection", "close")], f"{why}\n".encode())

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """The function writes its own log."""
