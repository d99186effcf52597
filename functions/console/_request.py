"""Request and answer of the console's pages."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlencode

from shared.http import function_url

MAX_BODY = 64 * 1024
MAX_FIELDS = 100


class PageError(Exception):
    """A request that is answered by an error page.

    links: where to continue, each with its text.
    """

    def __init__(self, status: int, message: str, links: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.links = dict(links or {})


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; header names are in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    cookies: Mapping[str, str]
    form: Mapping[str, str]
    #: Values of the boxes that select rows, which have one name.
    chosen: tuple[str, ...]
    #: IP address of the client, as the Function URL reports it.
    address: str

    @classmethod
    def of(cls, event: Mapping[str, Any]) -> Request:
        """Parse the event of a Function URL.

        Raises PageError for an invalid body.
        """
        headers, http = function_url.headers_of(event), event["requestContext"]["http"]
        body = _body(event)
        return cls(
            method=http["method"],
            path=event.get("rawPath", "") or "/",
            query=_pairs(event.get("rawQueryString", "")),
            headers=headers,
            cookies=_cookies([*event.get("cookies", ()), headers.get("cookie", "")]),
            form=_pairs(body),
            chosen=tuple(dict.fromkeys(value for name, value in _fields(body) if name == "chosen")),
            address=http.get("sourceIp", ""),
        )

    @property
    def fragment(self) -> bool:
        """Whether the page's script asks for the content alone."""
        return "hx-request" in self.headers

    @property
    def polled(self) -> bool:
        """Whether the page refreshes itself, without an act of a person."""
        return "x-poll" in self.headers

    @property
    def url(self) -> str:
        """Path and query, without parameters that are empty."""
        query = urlencode({name: value for name, value in self.query.items() if value})
        return f"{self.path}?{query}" if query else self.path


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer."""

    status: int
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: tuple[str, ...] = ()
    content_type: str = "text/html; charset=utf-8"
    #: Whether the body is base64 of bytes.
    encoded: bool = False

    def data(self) -> dict[str, Any]:
        """The answer as Lambda returns it."""
        answer = {
            "statusCode": self.status,
            "headers": {"content-type": self.content_type, **self.headers},
            "body": self.body,
            "isBase64Encoded": self.encoded,
        }
        return answer | ({"cookies": list(self.cookies)} if self.cookies else {})


def redirect(to: str, *cookies: str) -> Answer:
    return Answer(303, headers={"location": to}, cookies=cookies)


def _body(event: Mapping[str, Any]) -> str:
    body = event.get("body") or ""
    if len(body) > MAX_BODY:
        raise PageError(413, f"the form is larger than {MAX_BODY} characters")
    if not event.get("isBase64Encoded"):
        return str(body)
    try:
        return base64.b64decode(body, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise PageError(400, "the form is not encoded as UTF-8") from None


def _pairs(text: str) -> dict[str, str]:
    """The fields of a query or form; the first value of each.

    Raises PageError.
    """
    return dict(reversed(_fields(text)))


def _fields(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        raise PageError(400, f"a form or address has more than {MAX_FIELDS} fields") from None


def _cookies(texts: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in filter(None, texts):
        try:
            found |= {name: morsel.value for name, morsel in SimpleCookie(text).items()}
        except CookieError:
            continue
    return found
