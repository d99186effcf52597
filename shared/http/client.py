"""HTTP client for declared hosts, limited in time, size and rate."""

from __future__ import annotations

import http.client
import json as jsonlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from math import inf
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urljoin, urlsplit

from shared.http.charset import decode
from shared.http.sites import host_of
from shared.http.transport import CallLimits, Transport, is_unsent, reason_of
from shared.job.effect import NotPerformed
from shared.text.whole_number import is_whole_number

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.http.cookies import CookieJar

AGENT = "nightshift"
SAFE = ("GET", "HEAD")
MAX_BODY = 1024 * 1024
REDIRECTS = (301, 302, 303, 307, 308)
MAX_REDIRECTS = 5
# Seconds for which a call waits for the rate limit of its host.
MAX_WAIT = 10.0
# Upper bound in seconds for Retry-After: added to the current time, it must give a valid timestamp.
MAX_HOLD = 366 * 86400.0


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
    #: Retry-After in seconds.
    retry_after: float | None = None
    #: Name of the encoding of `text`.
    charset: str = "utf-8"


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
        self.cloud = cloud
        self.hosts = frozenset(hosts)
        self.gap = timedelta(seconds=1 / rate)
        self.connect = connect
        self.read = read
        self.remaining = remaining
        self._transport = Transport()
        self._next_call: dict[str, datetime] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        self._transport.close()

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
        cookies: CookieJar | None = None,
    ) -> HttpResponse:
        """Send a request; any status is a response.

        Redirects of GET and HEAD are followed, to allowed hosts. Raises NoResponse. key: the idempotency key, required
        for all methods but GET and HEAD. internal: a call to our own API, which in production requires the header
        x-internal-exec. form, json, body: the body, at most one of them; the content type of `body` is in `headers`.
        cookies: jar whose cookies are sent, and that stores those of each response.
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
        answer = self._once(method, url, sent, body, cookies)
        for _ in range(MAX_REDIRECTS):
            if method not in SAFE or answer.status not in REDIRECTS or "location" not in answer.headers:
                return answer
            target = urljoin(answer.url, answer.headers["location"])
            if answer.url.startswith("https:") and not target.startswith("https:"):
                raise NoResponse("redirected from https to http")
            if not _same_origin(answer.url, target):
                sent = {"user-agent": AGENT}
            answer = self._once(method, target, sent, None, cookies)
        raise NoResponse(f"redirected more than {MAX_REDIRECTS} times")

    def _once(
        self, method: str, url: str, headers: Mapping[str, str], body: str | None, cookies: CookieJar | None
    ) -> HttpResponse:
        from urllib3.exceptions import HTTPError

        host = self._allowed(url)
        self._await_rate_limit(host)
        left = max(self.remaining(), 0.1)
        limits = CallLimits(self.connect, self.read, left, MAX_BODY)
        started = time.monotonic()
        sent = dict(headers)
        if cookies and (line := cookies.header(url)):
            sent["cookie"] = line
        try:
            response = self._transport.exchange(method, urlsplit(url)._replace(netloc=host), sent, body, limits)
        except (HTTPError, OSError, ValueError, http.client.HTTPException) as error:
            raise (NotSent if is_unsent(error) else NoResponse)(reason_of(error, limits)) from error
        if cookies:
            cookies.store(url, response.all("set-cookie"))
        wait = parse_retry_after(response.header("retry-after"), self.cloud.clock.now())
        if wait is not None and response.status in (429, 503):
            self._hold(host, wait)
        text, charset = decode(response.body, response.header("content-type") or "")
        return HttpResponse(
            status=response.status,
            headers={name: value for name, value in reversed(response.headers) if name != "set-cookie"},
            text=text,
            ms=round((time.monotonic() - started) * 1000),
            url=url,
            retry_after=wait,
            charset=charset,
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


def _same_origin(one: str, other: str) -> bool:
    here, there = urlsplit(one), urlsplit(other)
    return (here.scheme, here.netloc) == (there.scheme, there.netloc)


def parse_retry_after(text: str | None, now: datetime) -> float | None:
    """Parse Retry-After: seconds or an HTTP date (RFC 9110, 10.2.3)."""
    if not text:
        return None
    if is_whole_number(text.strip()):
        return min(float(text), MAX_HOLD)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(max(0.0, (at - now).total_seconds()), MAX_HOLD)
