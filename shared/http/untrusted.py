"""HTTP client for untrusted URLs, protected against SSRF.

It calls only an address that `ssrf` has checked, once.

No redirects, no proxies, no cookies. Only the head of the response is read, and the whole call has one time limit.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Mapping
from functools import cached_property, partial
from typing import TYPE_CHECKING

from shared.http.client import AGENT, HttpResponse, NoResponse, NotSent, parse_retry_after
from shared.http.ssrf import parse_public_url, public_addresses
from shared.http.transport import CallLimits, Transport, is_unsent, reason_of

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

# Seconds to connect, and for the whole call: a response that drips is cut off then.
CONNECT = 5.0
TOTAL = 15.0


class UntrustedHttpClient:
    """Call URLs that users gave. Safe to share between threads.

    loopback: allow this machine too, for tests and the local cloud.
    """

    def __init__(self, cloud: Cloud, *, loopback: bool = False, connect: float = CONNECT, total: float = TOTAL) -> None:
        self.cloud = cloud
        self.loopback = loopback
        self.connect = connect
        self.total = total

    def call(self, method: str, url: str, *, headers: Mapping[str, str], body: str, key: str) -> HttpResponse:
        """Send one request; any status is a response, a redirect too.

        key: the idempotency key. Raises ForbiddenUrl, Unresolved and NotSent where nothing was sent, NoResponse
        otherwise.
        """
        from urllib3.exceptions import HTTPError

        started = time.monotonic()
        public = parse_public_url(url, loopback=self.loopback)
        sent = {"Host": public.authority, "User-Agent": AGENT, "Idempotency-Key": key, "Connection": "close", **headers}
        limits = CallLimits(connect=self.connect, read=self.total, total=self.total, most=0)
        try:
            response = self._transport.exchange(method, public.parts, sent, body, limits)
        except (HTTPError, OSError, ValueError, http.client.HTTPException) as error:
            raise (NotSent if is_unsent(error) else NoResponse)(reason_of(error, limits)) from error
        return HttpResponse(
            status=response.status,
            headers={name: value for name, value in reversed(response.headers) if name != "set-cookie"},
            text="",
            ms=round((time.monotonic() - started) * 1000),
            url=url,
            retry_after=parse_retry_after(response.header("retry-after"), self.cloud.clock.now()),
        )

    @cached_property
    def _transport(self) -> Transport:
        return Transport(partial(public_addresses, loopback=self.loopback), per_host=1)
