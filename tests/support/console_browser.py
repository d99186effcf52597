"""A client of the console's pages without a browser: cookies, forms, fragments."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from functions.console._ui import Console
from tests.support.console_site import event_of

HOST = "own.example"


@dataclass
class Seen:
    """One answer."""

    status: int
    text: str
    headers: dict[str, str]
    cookies: list[str]

    def hidden(self, name: str) -> str:
        """The value of a hidden field."""
        found = re.search(rf'name="{name}" value="([^"]*)"', self.text)
        assert found, f"no field {name!r} in {self.text[:2000]}"
        return html.unescape(found[1])


@dataclass
class Person:
    """A person at the console, who keeps the session's cookie."""

    console: Console
    cookie: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **headers: str) -> Seen:
        return self._send("GET", path, {}, headers)

    def post(self, path: str, form: dict[str, str] | None = None, **headers: str) -> Seen:
        own = {"origin": f"https://{HOST}", "sec-fetch-site": "same-origin"}
        return self._send("POST", path, form or {}, own | headers)

    def preview(self, act: str, **form: str) -> Seen:
        return self.post(f"/ui/preview/{act}", form)

    def confirm(self, act: str, preview: Seen, **form: str) -> Seen:
        return self.post(f"/ui/act/{act}", {"frozen": preview.hidden("frozen"), **form})

    def sign_in(self, token: str, name: str = "ada") -> Seen:
        return self.post("/ui/login", {"token": token, "name": name})

    def _send(self, method: str, path: str, form: dict[str, str], headers: dict[str, str]) -> Seen:
        sent: dict[str, Any] = {"host": HOST, **self.headers, **headers}
        if self.cookie:
            sent["cookie"] = self.cookie
        answer = self.console.answer(event_of(method, path, sent, urlencode(form).encode()))
        cookies = answer.get("cookies", [])
        for each in cookies:
            self.cookie = each.partition(";")[0]
        return Seen(answer["statusCode"], answer["body"], answer["headers"], cookies)
