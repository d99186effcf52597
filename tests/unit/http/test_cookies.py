"""Cookies are stored, sent and deleted as by browsers."""

from __future__ import annotations

import pytest

from shared.http.cookies import CookieJar

URL = "https://a.example/in/form"
GONE = "Thu, 01 Jan 1970 00:00:00 GMT"


@pytest.mark.parametrize(
    ("lines", "url", "sent"),
    [
        (["a=1; HttpOnly; SameSite=Lax"], "https://a.example/in/", "a=1"),
        (["a=1"], "https://a.example/", ""),
        (["a=1; Path=/"], "https://a.example/other", "a=1"),
        (["a=1; Path=/in"], "https://a.example/inside", ""),
        (["a=1; Path=/", "a=2; Path=/"], "https://a.example/", "a=2"),
        (["a=1; Path=/", "a=; Path=/; Max-Age=0"], "https://a.example/", ""),
        (["a=1; Path=/", f"a=x; Path=/; Expires={GONE}"], "https://a.example/", ""),
        (["a=1; Path=/", "a=x; Path=/; Max-Age=-1; Expires=Fri, 01 Jan 2100 00:00:00 GMT"], "https://a.example/", ""),
        (["a=1; Path=/; Domain=a.example"], "https://www.a.example/", "a=1"),
        (["a=1; Path=/"], "https://www.a.example/", ""),
        (["a=1; Path=/; Domain=b.example"], "https://b.example/", ""),
        (["a=1; Path=/; Secure"], "http://a.example/", ""),
        (['a="x y"; Path=/'], "https://a.example/", 'a="x y"'),
        (["a=b=c,d; Path=/"], "https://a.example/", "a=b=c,d"),
        (["a=1; Path=/", "b=2; Path=/in"], "https://a.example/in", "b=2; a=1"),
        (["", ";", "=", "a=1; path=/; max-age=x"], "https://b.example/", ""),
    ],
)
def test_a_request_has_the_cookies_of_its_host_and_path(lines: list[str], url: str, sent: str) -> None:
    jar = CookieJar()
    jar.store(URL, lines)
    assert jar.header(url) == sent


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:8080", "[::1]:8080"])
def test_this_machine_keeps_secure_cookies_without_tls(host: str) -> None:
    jar = CookieJar()
    jar.store(f"http://{host}/", ["a=1; Secure; Path=/"])
    assert jar.header(f"http://{host}/x") == "a=1"
