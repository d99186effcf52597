"""Guard against web pages' requests: CSRF, DNS rebinding, CORS.

Every HTTP listener of the local cloud uses `refusal`: the engine through `EngineGuard`, which also requires the
instance's session token, and the other listeners through `GuardedHandler`.

- Host must be a loopback address or localhost: another name that resolves to 127.0.0.1 is DNS rebinding.
- Origin, if a browser sends one, must be the listener itself, and Sec-Fetch-Site must agree. Both are forbidden
  header names: a page cannot set or remove them. https://fetch.spec.whatwg.org/#forbidden-request-header
- A CORS preflight is refused, and no response has a CORS header.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl

HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)
# `none` is a navigation by the user: the address bar, a bookmark. https://www.w3.org/TR/fetch-metadata/
SITES = {"same-origin", "none"}
TOKEN = "x-amz-security-token"
# Public on AWS as well: their functions authorize requests.
FUNCTION_URLS = "/_aws/lambda-url/"
# Bytes of a refused body to read: a connection that is closed with bytes unread can lose its response.
DRAINED = 64 * 1024

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


def refusal(headers: Iterable[tuple[str, str]]) -> str | None:
    """The reason to refuse a request with these headers, or None."""
    values: dict[str, list[str]] = {}
    for name, value in headers:
        values.setdefault(name.lower(), []).append(value.strip())
    hosts = values.get("host", [])
    if len(hosts) != 1 or not HOST.fullmatch(hosts[0]):
        return f"Host is {', '.join(hosts) or 'missing'}: the local cloud is 127.0.0.1, localhost or [::1]"
    own = f"http://{hosts[0]}".lower()
    for origin in values.get("origin", []):
        if origin.lower() != own:
            return f"Origin is {origin}: web pages of other origins may not use the local cloud"
    for site in values.get("sec-fetch-site", []):
        if site.lower() not in SITES:
            return f"Sec-Fetch-Site is {site}: web pages of other origins may not use the local cloud"
    if "access-control-request-method" in values:
        return "CORS preflights are refused: web pages of other origins may not use the local cloud"
    return None


class GuardedHandler(BaseHTTPRequestHandler):
    """Responds 403 to refused requests of any method, before `do_*` is called."""

    def parse_request(self) -> bool:
        if not super().parse_request():
            return False
        reason = refusal(self.headers.items())
        if reason is None:
            return True
        length = self.headers.get("Content-Length", "0")
        if re.fullmatch("[0-9]{1,5}", length) and int(length) <= DRAINED:
            self.rfile.read(int(length))
        # Closes the connection as well: an unread body would be parsed as the next request.
        self.send_error(HTTPStatus.FORBIDDEN, explain=reason)
        return False


@dataclass(frozen=True)
class EngineGuard:
    """ASGI middleware. token: the instance's. sessions: further tokens that it has issued."""

    application: Callable[[Scope, Receive, Send], Awaitable[None]]
    token: str = field(repr=False)
    sessions: Callable[[], Iterable[str]]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self.application(scope, receive, send)
        if scope["type"] != "http":
            # A page may open a WebSocket to any origin; the local cloud has none.
            return await send({"type": "websocket.close", "code": 1008})
        if reason := self._refusal(scope):
            return await _forbid(send, reason)

        async def without_cors(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers = [
                    pair for pair in message["headers"] if not bytes(pair[0]).lower().startswith(b"access-control-")
                ]
                message = {**message, "headers": headers}
            await send(message)

        return await self.application(scope, receive, without_cors)

    def _refusal(self, scope: Scope) -> str | None:
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        if reason := refusal(headers):
            return reason
        if scope["path"].startswith(FUNCTION_URLS) or self._is_valid(_token_of(scope, headers)):
            return None
        return f"No session token of this local cloud: send the one of its state folder as {TOKEN}"

    def _is_valid(self, token: str) -> bool:
        """Whether it is the instance's token, or a session's."""
        return bool(token) and any(hmac.compare_digest(token.encode(), one.encode()) for one in self._tokens())

    def _tokens(self) -> Iterator[str]:
        yield self.token
        yield from self.sessions()


def _token_of(scope: Scope, headers: list[tuple[str, str]]) -> str:
    """Token from the header, or from the query of a presigned URL."""
    with contextlib.suppress(ValueError):
        query = parse_qsl(scope["query_string"].decode("latin-1"), max_num_fields=1000)
        return next((value for name, value in [*headers, *query] if name.lower() == TOKEN), "")
    return ""


async def _forbid(send: Send, reason: str) -> None:
    body = json.dumps({"__type": "AccessDeniedException", "message": reason}).encode()
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": int(HTTPStatus.FORBIDDEN), "headers": headers})
    await send({"type": "http.response.body", "body": body})
