"""HTTP connections to DynamoDB, on urllib3, with botocore's errors."""

from __future__ import annotations

import ssl
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from botocore import exceptions
from urllib3 import HTTPConnectionPool, Timeout, connection_from_url
from urllib3 import exceptions as http

from shared.aws.dynamodb.responses import HttpAnswer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.config import Config

# Errors of urllib3 with those that botocore raises for them, the more specific ones first.
ERRORS: tuple[tuple[type[Exception], Any], ...] = (
    (http.SSLError, exceptions.SSLError),
    (http.NewConnectionError, exceptions.EndpointConnectionError),
    (http.ConnectTimeoutError, exceptions.ConnectTimeoutError),
    (http.ReadTimeoutError, exceptions.ReadTimeoutError),
    (http.ProtocolError, exceptions.ConnectionClosedError),
)


class Transport:
    """Connections to one endpoint.

    authorities: file of certificate authorities; empty for botocore's own.
    """

    def __init__(self, url: str, config: Config, authorities: str) -> None:
        self.url = url
        self.path = urlsplit(url).path
        self._authorities = authorities
        options: Any = config
        self._limits = {
            "maxsize": options.max_pool_connections,
            "timeout": Timeout(connect=options.connect_timeout, read=options.read_timeout),
        }
        self._headers = {"User-Agent": options.user_agent, "Accept-Encoding": "identity"}

    @cached_property
    def _pool(self) -> HTTPConnectionPool:
        # At the first call: a function may be started without one.
        settings = {**self._limits, "ssl_context": _context(self._authorities)} if self.encrypted else self._limits
        pool = connection_from_url(self.url, **settings)
        pool.ConnectionCls = _in_one_send(pool.ConnectionCls)
        return pool

    @property
    def encrypted(self) -> bool:
        return self.url.startswith("https:")

    def send(self, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        """Send a request and read its whole response. Raises HTTPClientError."""
        try:
            answer = self._pool.urlopen(
                "POST",
                self.path,
                body,
                {**headers, **self._headers},
                retries=False,
                assert_same_host=False,
                decode_content=False,
            )
        except Exception as error:
            kind = next((kind for cause, kind in ERRORS if isinstance(error, cause)), exceptions.HTTPClientError)
            raise kind(endpoint_url=self.url, error=error) from error
        return HttpAnswer(answer.status, answer.headers, answer.data)


def _in_one_send(connection: type[Any]) -> type[Any]:
    """Class of connections that send head and body of a request together.

    Each send is a system call, and a record of TLS.
    """

    class OneSend(connection):  # type: ignore[misc]
        """Connection for requests with a body."""

        _head = b""

        def send(self, data: Any) -> None:
            if not self._head:
                self._head = data
                return
            head, self._head = self._head, b""
            super().send(head + data)

        def close(self) -> None:
            # A request may have ended between the two.
            self._head = b""
            super().close()

    return OneSend


@lru_cache
def _context(authorities: str) -> ssl.SSLContext:
    """One context for all connections.

    Each would load the certificates anew, 15 ms of CPU.
    """
    from botocore.httpsession import get_cert_path

    return ssl.create_default_context(cafile=authorities or get_cert_path(True))


def behind_proxy(url: str) -> bool:
    """Whether the environment names a proxy for this URL."""
    parts = urlsplit(url)
    return parts.scheme in getproxies() and not proxy_bypass(parts.hostname or "")
