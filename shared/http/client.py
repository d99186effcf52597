"""Calls to the world outside: bounded in time and size, paced by host, to declared hosts alone."""

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
LARGEST_BODY = 1024 * 1024
CHUNK = 64 * 1024
REDIRECTS = (301, 302, 303, 307, 308)
MOST_REDIRECTS = 5
# Seconds for which a call waits for its turn before it gives way.
LONGEST_WAIT = 10.0
# A host that asks to be left alone for longer than this many seconds is taken to say so long: what is added to an
# instant must lead to one.
LONGEST_HOLD = 366 * 86400.0
POOLS = 32
# Those of the web that are of any use; some of Python's others fail on foreign bytes, or take for ever.
CHARSET = re.compile(
    r"charset=\"?(utf-?8|utf-?16|us-ascii|iso-?8859-?\d+|windows-125\d|koi8-[ru]|gb\w+|big5|shift_jis|euc-\w+)",
    re.IGNORECASE,
)


class NoAnswer(Exception):
    """No answer came, or none that may be asked for; the message says why."""


class NotSent(NoAnswer, NotPerformed):
    """The call never left this machine: whatever it was to change, it has not."""


class Elsewhere(NotSent):
    """The way leads to a host that this job may not call."""


class Busy(NotSent):
    """The host asked to be left alone for so many more seconds."""

    def __init__(self, host: str, seconds: float) -> None:
        super().__init__(f"{host} is not to be called for another {seconds:.0f} s")
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """headers: names in lower case, without cookies. text: the body's first MiB. ms: to the end of what was read.

    url: where it came from, after redirects. retry_after: seconds, where the host named them.
    """

    status: int
    headers: Mapping[str, str]
    text: str = field(repr=False)
    ms: int
    url: str
    cookies: Mapping[str, str] = field(default_factory=dict, repr=False)
    retry_after: float | None = None


class HttpClient:
    """One run's calls, safe to share between threads. It follows no proxy settings of the environment.

    hosts: those that may be called, as `host_of` writes them. rate: calls a second to one host. connect, read: seconds
    until a connection stands, and between two bytes or for a whole body. remaining: seconds that the run has left.
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
        self._pool = PoolManager(num_pools=POOLS, maxsize=8, retries=False)
        self._turns: dict[str, datetime] = {}
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
        """Raises NoAnswer; any status is an answer. Redirects of GET and HEAD are followed, to allowed hosts.

        key: the idempotency key, which whatever is neither GET nor HEAD must have. internal: a call to an app's own
        API, which in production must say that it comes from us. body: sent as it is; `headers` say what it is.
        """
        if method not in SAFE and not key:
            raise ValueError(f"{method} {url}: what changes something needs an idempotency key")
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
        for _ in range(MOST_REDIRECTS):
            if method not in SAFE or answer.status not in REDIRECTS or "location" not in answer.headers:
                return answer
            onward = urljoin(answer.url, answer.headers["location"])
            if answer.url.startswith("https:") and not onward.startswith("https:"):
                raise NoAnswer("redirected from https to http")
            if not _same_origin(answer.url, onward):
                sent = {"user-agent": AGENT}
            answer = self._once(method, onward, sent, None)
        raise NoAnswer(f"redirected more than {MOST_REDIRECTS} times")

    def _once(self, method: str, url: str, headers: Mapping[str, str], body: str | None) -> HttpResponse:
        from urllib3 import Timeout
        from urllib3.exceptions import HTTPError

        host = self._allowed(url)
        self._take_turn(host)
        left = max(self.remaining(), 0.1)
        timeout = Timeout(connect=min(self.connect, left), read=min(self.read, left))
        clocked = time.monotonic()
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
            raise (NotSent if _unsent(error) else NoAnswer)(self._why(error)) from error
        wait = seconds_of(response.headers.get("retry-after"), self.cloud.clock.now())
        if wait is not None and response.status in (429, 503):
            self._hold(host, wait)
        return HttpResponse(
            status=response.status,
            headers={name.lower(): value for name, value in response.headers.items() if name.lower() != "set-cookie"},
            text=_decoded(data, response.headers.get("content-type", "")),
            ms=round((time.monotonic() - clocked) * 1000),
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
            raise Elsewhere(f"may not call {host}: it is not among the hosts that this job works on")
        return host

    def _take_turn(self, host: str) -> None:
        """Wait until the host's rate, and what it asked for by Retry-After, allow a call. Raises Busy."""
        with self._lock:
            now = self.cloud.clock.now()
            turn = max(now, self._turns.get(host, now))
            wait = (turn - now).total_seconds()
            if wait > min(LONGEST_WAIT, self.remaining()):
                raise Busy(host, wait)
            self._turns[host] = turn + self.gap
        if wait:
            self.cloud.clock.sleep(wait)

    def _hold(self, host: str, seconds: float) -> None:
        with self._lock:
            until = self.cloud.clock.now() + timedelta(seconds=seconds)
            self._turns[host] = max(until, self._turns.get(host, until))

    def _read(self, response: BaseHTTPResponse) -> bytes:
        """The body, its first MiB at most; the socket's timeout bounds the wait for a byte, and this the whole."""
        until = time.monotonic() + self.read
        data = bytearray()
        while len(data) < LARGEST_BODY:
            # read1: what there is. read(n) would wait for n bytes, however slowly they drip.
            chunk = response.read1(min(CHUNK, LARGEST_BODY - len(data)), decode_content=True)
            if not chunk:
                response.release_conn()
                return bytes(data)
            data += chunk
            if time.monotonic() > until:
                response.close()
                raise NoAnswer(f"the body took longer than {self.read:g} s")
        response.close()
        return bytes(data)

    def _why(self, error: Exception) -> str:
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
    """Whether there was no connection, or nobody on it whom it was meant for."""
    from ssl import SSLCertVerificationError

    from urllib3 import exceptions as failures

    nowhere = (failures.NewConnectionError, failures.ConnectTimeoutError, failures.LocationValueError)
    wrong = isinstance(error, failures.SSLError) and isinstance(error.args[0], SSLCertVerificationError)
    return wrong or isinstance(error, nowhere)


def _same_origin(one: str, other: str) -> bool:
    here, there = urlsplit(one), urlsplit(other)
    return (here.scheme, here.netloc) == (there.scheme, there.netloc)


def seconds_of(text: str | None, now: datetime) -> float | None:
    """Retry-After: whole seconds or an HTTP date (RFC 9110, 10.2.3), at most a year; None for what is neither."""
    if not text:
        return None
    if text.strip().isdecimal():
        return min(float(text), LONGEST_HOLD)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(max(0.0, (at - now).total_seconds()), LONGEST_HOLD)


def _decoded(body: bytes, content_type: str) -> str:
    found = CHARSET.search(content_type)
    try:
        return body.decode(found[1] if found else "utf-8", "replace")
    except LookupError:
        return body.decode("utf-8", "replace")


def _cookie(line: str) -> tuple[str, str]:
    name, _, value = line.partition(";")[0].partition("=")
    return name.strip(), value.strip()
