"""Function URLs on ports of this machine: `http://127.0.0.1:7776/...` for the break-glass function's."""

from __future__ import annotations

import http.client
import threading
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import urlsplit

from local.request_guard import GuardedHandler
from shared.text.whole_number import is_whole_number

# Lambda's limit of a payload. https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
MAX_BODY = 6 * 1024 * 1024
# Headers of one connection, which are not forwarded (RFC 9110, 7.6.1).
HOP_BY_HOP = {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
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
        threading.Thread(target=self._server.serve_forever, name=f"function-url-{port}", daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False


class _Handler(GuardedHandler):
    protocol_version = "HTTP/1.1"
    upstream: ClassVar[tuple[str, str]]

    def forward(self) -> None:
        """Forward the request with the same path and query, without added headers."""
        length = self.headers.get("Content-Length", "0")
        if self.headers.get("Transfer-Encoding"):
            return self._refuse(HTTPStatus.LENGTH_REQUIRED, "Content-Length is required")
        if not is_whole_number(length):
            return self._refuse(HTTPStatus.BAD_REQUEST, f"Content-Length {length!r} is not a length")
        if int(length) > MAX_BODY:
            return self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body is at most {MAX_BODY} bytes")
        # `self.path` has its leading slashes merged.
        target = self.requestline.split(" ")[1]
        if not target.startswith("/"):
            return self._refuse(HTTPStatus.BAD_REQUEST, "the request line has no path")
        engine, prefix = self.upstream
        connection = http.client.HTTPConnection(engine, timeout=SECONDS)
        try:
            connection.putrequest(self.command, prefix + target, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in HOP_BY_HOP:
                    connection.putheader(name, value)
            connection.endheaders(self.rfile.read(int(length)))
            response = connection.getresponse()
            body = response.read()
        except OSError as error:
            return self._refuse(HTTPStatus.BAD_GATEWAY, f"the local cloud does not respond: {error}")
        finally:
            connection.close()
        headers = [
            (name, value)
            for name, value in response.getheaders()
            if name.lower() not in {*HOP_BY_HOP, "content-length"}
        ]
        return self._respond(response.status, headers, body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = forward  # noqa: N815

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        # A body that is not read would be parsed as the next request.
        self.close_connection = True
        self._respond(status, [("Content-Type", "text/plain"), ("Connection", "close")], f"{reason}\n".encode())

    def _respond(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Log nothing: the function has a log."""
