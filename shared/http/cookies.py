"""Cookies of one visit, as browsers keep them.

The jar is that of the standard library, with the policy of browsers: Netscape cookies (RFC 6265), not RFC 2965. Its
clock is the machine's.
"""

from __future__ import annotations

import http.cookiejar
import urllib.request
from collections.abc import Iterable
from email.message import Message
from urllib.parse import urlsplit

from shared.http.ssrf import is_loopback


class CookieJar:
    """Cookies of the responses of one visit."""

    def __init__(self) -> None:
        policy = http.cookiejar.DefaultCookiePolicy(
            netscape=True,
            rfc2965=False,
            rfc2109_as_netscape=True,
            # A cookie without a domain is not sent to subdomains.
            strict_ns_domain=http.cookiejar.DefaultCookiePolicy.DomainStrictNonDomain,
        )
        self._jar = http.cookiejar.CookieJar(policy)

    def header(self, url: str) -> str:
        """The value of the header Cookie for a request; empty without cookies."""
        request = urllib.request.Request(_known(url))
        self._jar.add_cookie_header(request)
        return request.get_header("Cookie") or ""

    def store(self, url: str, lines: Iterable[str]) -> None:
        """Apply the Set-Cookie headers of a response."""
        for line in lines:
            response = Message()
            response["Set-Cookie"] = line
            self._jar.extract_cookies(_Head(response), urllib.request.Request(_known(url)))  # type: ignore[arg-type]


class _Head:
    """A response as the jar expects it."""

    def __init__(self, headers: Message) -> None:
        self.headers = headers

    def info(self) -> Message:
        return self.headers


def _known(url: str) -> str:
    """The URL by which the jar knows a page.

    Browsers trust this machine: a secure cookie is stored for and sent to a loopback address without TLS.
    """
    parts = urlsplit(url)
    if parts.scheme == "http" and is_loopback(parts.hostname or ""):
        parts = parts._replace(scheme="https")
    return parts._replace(fragment="").geturl()
