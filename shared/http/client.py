"""HTTP client for declared hosts, limited in time, size and rate."""

from __future__ import annotations

import http.client
import json as jsonlib
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from math import inf
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urljoin, urlsplit

from shared.http.sites import host_of
from shared.job.effect import NotPerformed

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

    from shared.aws.cloud import Cloud

AGENT = "nightshift"
SAFE = ("GET", "HEAD")
MAX_BODY = 1024 * 1024
CHUNK = 64 * 1024
REDIRECTS = (301, 302, 303, 307, 308)
MAX_REDIRECTS = 5
# Seconds for which a call waits for the rate limit of its host.
MAX_WAIT = 10.0
# Upper bound in seconds for Retry-After: added to the current time, it must give a valid timestamp.
MAX_HOLD = 366 * 86400.0
MAX_POOLS = 32
# Charsets in use on the web. Some of Python's other codecs fail on foreign bytes or take very long.
CHARSET = re.compile(
    r"charset=\"?(utf-?8|utf-?16|us-ascii|iso-?8859-?\d+|windows-125\d|koi8-[ru]|gb\w+|big5|shift_jis|euc-\w+)",
    re.IGNORECASE,
)


class NoResponse(Exception):
    """No response, or no permitted call; the message contains the reason."""


class NotSent(NoResponse, NotPerformed):
    """The request was not sent: it has changed nothing."""


class HostNotAllowed(NotSent):
    """The URL or a redirect leads to a host outside the declaration."""


class HostBusy(NotSent):
    """The rate limit or Retry-After of the host forbids the call."""

    def __init__(self, host: str, seconds: float) -> None:
        super().__init__(f"{host} is not to be called for another {seconds:.0f} s")
        #: Seconds until the next call is allowed.
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A response of any status."""

    status: int
    #: Names in lower case, without set-cookie.
    headers: Mapping[str, str]
    #: The body, its first MiB.
    text: str = field(repr=False)
    #: Duration until the last byte was read.
    ms: int
    #: The URL after redirects.
    url: str
    cookies: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: Retry-After in seconds.
    retry_after: float | None = None


class HttpClient:
    """HTTP client of one run. Safe to share between threads.

    Proxy settings of the environment are ignored. hosts: hosts that may be called, as `host_of` returns them. rate:
    calls per second to one host. connect: seconds to connect. read: seconds between two bytes, and for a whole body.
    remaining: seconds that the run has left.
    """

    def __init__(
        self,
        cloud: Cloud,
        hosts: Iterable[str],
        *,
        rate: float,
        connect: float = 3,
        read: float = 10,
        remaining: Callable[[], float] = lambda: inf,
    ) -> None:
        from urllib3 import PoolManager

        self.cloud = cloud
        self.hosts = frozenset(hosts)
        self.gap = timedelta(seconds=1 / rate)
        self.connect = connect
        self.read = read
        self.remaining = remaining
        self._pool = PoolManager(num_pools=MAX_POOLS, maxsize=8, retries=False)
        self._next_call: dict[str, datetime] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        self._pool.clear()

    def call(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        json: Any = None,
        body: str | None = None,
        key: str = "",
        internal: bool = False,
    ) -> HttpResponse:
        """Send a request; any status is a response.

        Redirects of GET and HEAD are followed, to allowed hosts. Raises NoResponse. key: the idempotency key, required
        for all methods but GET and HEAD. internal: a call to our own API, which in production requires the header
        x-internal-exec. form, json, body: the body, at most one of them; the content type of `body` is in `headers`.
        """
        if method not in SAFE and not key:
            raise ValueError(f"{method} {url} needs an idempotency key: pass `key`")
        sent = {"user-agent": AGENT, **(headers or {})}
        if key:
            sent["idempotency-key"] = key
        if internal and self.cloud.names.production:
            sent["x-internal-exec"] = "1"
        if form is not None:
            sent["content-type"], body = "application/x-www-form-urlencoded", urlencode(form)
        elif json is not None:
            sent["content-type"], body = "application/json", jsonlib.dumps(json)
        answer = self._once(method, url, sent, body)
        for _ in range(MAX_REDIRECTS):
            if method not in SAFE or answer.status not in REDIRECTS or "location" not in answer.headers:
                return answer
            target = urljoin(answer.url, answer.headers["location"])
            if answer.url.startswith("https:") and not target.startswith("https:"):
                raise NoResponse("redirected from https to http")
            if not _same_origin(answer.url, target):
                sent = {"user-agent": AGENT}
            answer = self._once(method, target, sent, None)
        raise NoResponse(f"redirected more than {MAX_REDIRECTS} times")

    def _once(self, method: str, url: str, headers: Mapping[str, str], body: str | None) -> HttpResponse:
        from urllib3 import Timeout
        from urllib3.exceptions import HTTPError

        host = self._allowed(url)
        self._await_rate_limit(host)
        left = max(self.remaining(), 0.1)
        timeout = Timeout(connect=min(self.connect, left), read=min(self.read, left))
        started = time.monotonic()
        try:
            response = self._pool.request(
                method,
                url,
                body=body,
                headers=dict(headers),
                timeout=timeout,
                redirect=False,
                preload_content=False,
            )
            data = self._read(response)
        except (HTTPError, OSError, ValueError, http.client.HTTPException) as error:
            raise (NotSent if _unsent(error) else NoResponse)(self._reason(error)) from error
        wait = parse_retry_after(response.headers.get("retry-after"), self.cloud.clock.now())
        if wait is not None and response.status in (429, 503):
            self._hold(host, wait)
        return HttpResponse(
            status=response.status,
            headers={name.lower(): value for name, value in response.headers.items() if name.lower() != "set-cookie"},
            text=_decoded(data, response.headers.get("content-type", "")),
            ms=round((time.monotonic() - started) * 1000),
            url=url,
            cookies=dict(map(_cookie, response.headers.getlist("set-cookie"))),
            retry_after=wait,
        )

    def _allowed(self, url: str) -> str:
        try:
            host = host_of(url)
        except ValueError as error:
            raise NotSent(f"cannot call {url:.200}: it {error}") from None
        if host not in self.hosts:
            raise HostNotAllowed(f"may not call {host}: it is not one of the hosts of this job")
        return host

    def _await_rate_limit(self, host: str) -> None:
        """Wait for the rate limit and Retry-After. Raises HostBusy."""
        with self._lock:
            now = self.cloud.clock.now()
            start = max(now, self._next_call.get(host, now))
            wait = (start - now).total_seconds()
            if wait > min(MAX_WAIT, self.remaining()):
                raise HostBusy(host, wait)
            self._next_call[host] = start + self.gap
        if wait:
            self.cloud.clock.sleep(wait)

    def _hold(self, host: str, seconds: float) -> None:
        with self._lock:
            until = self.cloud.clock.now() + timedelta(seconds=seconds)
            self._next_call[host] = max(until, self._next_call.get(host, until))

    def _read(self, response: BaseHTTPResponse) -> bytes:
        """Read at most 1 MiB of the body."""
        # The socket's timeout limits the wait for one byte, this the whole body.
        until = time.monotonic() + self.read
        data = bytearray()
        while len(data) < MAX_BODY:
            # read1 returns the bytes that are there; read(n) waits for n bytes, however slowly they drip.
            chunk = response.read1(min(CHUNK, MAX_BODY - len(data)), decode_content=True)
            if not chunk:
                response.release_conn()
                return bytes(data)
            data += chunk
            if time.monotonic() > until:
                response.close()
                raise NoResponse(f"the body took longer than {self.read:g} s")
        response.close()
        return bytes(data)

    def _reason(self, error: Exception) -> str:
        from urllib3 import exceptions as failures

        match error:
            case failures.NameResolutionError():
                return "the name does not resolve"
            case failures.NewConnectionError():
                return f"cannot connect: {error.__cause__ or 'refused'}"
            case failures.ConnectTimeoutError():
                return f"no connection within {self.connect:g} s"
            case failures.ReadTimeoutError() | TimeoutError():
                return f"no answer within {self.read:g} s"
            case failures.SSLError():
                return f"TLS: {error}"
            case failures.ProtocolError():
                return f"the connection broke: {error.args[-1]}"
        return f"{type(error).__name__}: {error}"


def _unsent(error: Exception) -> bool:
    """Whether the request was not sent: no connection, or wrong certificate."""
    from ssl import SSLCertVerificationError

    from urllib3 import exceptions as failures

    unconnected = (failures.NewConnectionError, failures.ConnectTimeoutError, failures.LocationValueError)
    wrong_server = isinstance(error, failures.SSLError) and isinstance(error.args[0], SSLCertVerificationError)
    return wrong_server or isinstance(error, unconnected)


def _same_origin(one: str, other: str) -> bool:
    here, there = urlsplit(one), urlsplit(other)
    return (here.scheme, here.netloc) == (there.scheme, there.netloc)


def parse_retry_after(text: str | None, now: datetime) -> float | None:
    """Parse Retry-After: seconds or an HTTP date (RFC 9110, 10.2.3)."""
    if not text:
        return None
    if text.strip().isdecimal():
        return min(float(text), MAX_HOLD)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(max(0.0, (at - now).total_seconds()), MAX_HOLD)


def _decoded(body: bytes, content_type: str) -> str:
    charset = CHARSET.search(content_type)
    try:
        return body.decode(charset[1] if charset else "utf-8", "replace")
    except LookupError:
        return body.decode("utf-8", "replace")


def _cookie(line: str) -> tuple[str, str]:
    name, _, value = line.partition(";")[0].partition("=")
    return name.strip(), value.strip()
