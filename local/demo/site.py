"""Two small demo sites: one healthy, one broken on purpose."""

from __future__ import annotations

import argparse
import hmac
import json
import secrets
import threading
from dataclasses import dataclass, field
from html import escape
from http import HTTPStatus
from http.cookies import SimpleCookie
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from local.demo.page_score import evaluate
from local.request_guard import GuardedHandler

LOOPBACK = "127.0.0.1"
USERNAME = "visitor"
MAX_BODY = 64 * 1024
GUIDES = ("install", "first-job", "schedules", "retries", "dead-letters")
MISSING = "retries"
BROKEN = {
    "/pricing": "lists plans without prices",
    "/sign-in": "accepts no password",
    f"/docs/{MISSING}": "is linked from the docs index, but missing",
    "/api/web-eval/run": "returns 503",
}


class DemoHost(ThreadingHTTPServer):
    """One host.

    production: whether its API refuses calls without `x-internal-exec: 1`.
    """

    daemon_threads = True

    def __init__(self, port: int, *, password: str, broken: bool, production: bool) -> None:
        super().__init__((LOOPBACK, port), DemoRequestHandler)
        self.password = password
        self.broken = broken
        self.production = production
        self.sessions: set[str] = set()
        self.evaluations: dict[str, str] = {}
        self.evaluating = threading.Lock()

    @property
    def host(self) -> str:
        return f"{LOOPBACK}:{self.server_port}"

    def evaluate(self, key: str, url: str) -> str:
        """Evaluate once per idempotency key."""
        with self.evaluating:
            if key not in self.evaluations:
                self.evaluations[key] = json.dumps(evaluate(url))
            return self.evaluations[key]


class DemoRequestHandler(GuardedHandler):
    server: DemoHost
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
        path = urlsplit(self.path).path
        match path.rstrip("/") or "/":
            case "/":
                self._page("Home", '<a href="/pricing">Pricing</a> <a href="/docs/">Docs</a> <a href="/sign-in">In</a>')
            case "/pricing":
                prices = ("", "") if self.server.broken else (": €9 a month", ": €29 a month")
                self._page("Pricing", f"<ul><li>Solo{prices[0]}</li><li>Team{prices[1]}</li></ul>")
            case "/sign-in":
                self._sign_in_form()
            case "/account":
                signed_in = self._cookie("session") in self.server.sessions
                self._page("Account", "Welcome back.") if signed_in else self._redirect("/sign-in")
            case "/docs":
                links = "".join(f'<li><a href="/docs/{guide}">{guide}</a></li>' for guide in GUIDES)
                self._page("Docs", f"<ul>{links}</ul>")
            case guide if guide.removeprefix("/docs/") in GUIDES and not self._is_gone(guide):
                self._page(guide.removeprefix("/docs/"), "<p>How it is done, step by step.</p>")
            case _:
                self._page("Not found", "No such page.", HTTPStatus.NOT_FOUND)

    do_HEAD = do_GET  # noqa: N815 - the name that http.server calls

    def do_POST(self) -> None:  # noqa: N802
        length = int(self.headers.get("content-length", 0))
        if length > MAX_BODY:
            # An unread body would be parsed as the next request.
            self.close_connection = True
        body = self.rfile.read(min(length, MAX_BODY)).decode(errors="replace")
        match self.path:
            case "/sign-in":
                self._sign_in({name: values[0] for name, values in parse_qs(body).items()})
            case "/api/web-eval/run":
                self._evaluate(body)
            case _:
                self._page("Not found", "No such page.", HTTPStatus.NOT_FOUND)

    def _is_gone(self, guide: str) -> bool:
        return self.server.broken and guide == f"/docs/{MISSING}"

    def _sign_in_form(self, fault: str = "", status: HTTPStatus = HTTPStatus.OK) -> None:
        # Double-submit cookie: another site can make a browser post, but cannot read the cookie.
        token = secrets.token_urlsafe(16)
        form = (
            f"<p>{escape(fault)}</p>"
            '<form method="post" action="/sign-in">'
            f'<input type="hidden" name="csrf" value="{token}">'
            '<input type="text" name="username"> <input type="password" name="password"> <button>Sign in</button>'
            "</form>"
        )
        self._page("Sign in", form, status, cookie=f"csrf={token}; HttpOnly; SameSite=Strict; Path=/")

    def _sign_in(self, form: dict[str, str]) -> None:
        token = form.get("csrf", "")
        genuine = bool(token) and hmac.compare_digest(token.encode(), self._cookie("csrf").encode())
        valid = form.get("username") == USERNAME and hmac.compare_digest(
            form.get("password", "").encode(), self.server.password.encode()
        )
        if not genuine or not valid or self.server.broken:
            self._sign_in_form("Wrong name or password.", HTTPStatus.UNAUTHORIZED)
            return
        session = secrets.token_urlsafe(24)
        self.server.sessions.add(session)
        self._redirect("/account", cookie=f"session={session}; HttpOnly; SameSite=Lax; Path=/")

    def _evaluate(self, body: str) -> None:
        key = self.headers.get("idempotency-key", "")
        if self.server.production and self.headers.get("x-internal-exec") != "1":
            self._json({"error": "internal calls only"}, HTTPStatus.FORBIDDEN)
        elif self.server.broken:
            self._json({"error": "no evaluator is free"}, HTTPStatus.SERVICE_UNAVAILABLE)
        elif not key:
            self._json({"error": "an idempotency-key is required"}, HTTPStatus.BAD_REQUEST)
        else:
            try:
                url = json.loads(body)["url"]
                if urlsplit(url).netloc != self.server.host:
                    raise ValueError(url)
            except (ValueError, TypeError, KeyError, AttributeError):
                self._json({"error": "give the url of a page of this site"}, HTTPStatus.UNPROCESSABLE_ENTITY)
            else:
                self._send(HTTPStatus.OK, "application/json", self.server.evaluate(key, url))

    def _cookie(self, name: str) -> str:
        cookies = SimpleCookie(self.headers.get("cookie", ""))
        return cookies[name].value if name in cookies else ""

    def _page(self, title: str, body: str, status: HTTPStatus = HTTPStatus.OK, cookie: str = "") -> None:
        html = (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title></head>'
            f"<body><h1>{escape(title)}</h1>{body}</body></html>"
        )
        self._send(status, "text/html; charset=utf-8", html, {"set-cookie": cookie} if cookie else {})

    def _json(self, document: Any, status: HTTPStatus) -> None:
        self._send(status, "application/json", json.dumps(document))

    def _redirect(self, path: str, cookie: str = "") -> None:
        self._send(
            HTTPStatus.SEE_OTHER, "text/plain", "", {"location": path} | ({"set-cookie": cookie} if cookie else {})
        )

    def _send(self, status: HTTPStatus, kind: str, body: str, headers: dict[str, str] | None = None) -> None:
        data = body.encode()
        self.send_response(status)
        for name, value in {"content-type": kind, "content-length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Log nothing: it shares the terminal with other output."""


@dataclass(frozen=True, slots=True)
class DemoSite:
    """Running sites. `USERNAME` signs in with `password` at each of them."""

    sites: tuple[DemoHost, ...]
    password: str = field(repr=False)

    @property
    def base_urls(self) -> list[str]:
        return [f"http://{site.host}" for site in self.sites]

    @property
    def hosts(self) -> list[str]:
        return [site.host for site in self.sites]

    @property
    def ports(self) -> list[int]:
        return [site.server_port for site in self.sites]

    @property
    def credentials(self) -> str:
        """Value of the secret `site-checks/credentials`."""
        return json.dumps({"default": {"username": USERNAME, "password": self.password}})

    def explain(self, host: str) -> str:
        """Faults of that host, empty for a healthy one.

        Raises KeyError for an unknown host.
        """
        site = {site.host: site for site in self.sites}[host]
        return "; ".join(f"{path} {fault}" for path, fault in BROKEN.items()) if site.broken else ""

    def stop(self) -> None:
        for site in self.sites:
            site.shutdown()
            site.server_close()


def start(port: int = 0, broken_port: int | None = None, *, production: bool = False) -> DemoSite:
    """Start a healthy site and a broken one.

    broken_port: default, the port after `port`. Free ports for 0. Raises OSError for a port in use.
    """
    password = secrets.token_urlsafe(16)
    healthy = DemoHost(port, password=password, broken=False, production=production)
    try:
        broken = DemoHost(
            port and port + 1 if broken_port is None else broken_port,
            password=password,
            broken=True,
            production=production,
        )
    except OSError:
        healthy.server_close()
        raise
    for site in (healthy, broken):
        threading.Thread(target=site.serve_forever, args=(0.05,), name=f"demo site {site.host}", daemon=True).start()
    return DemoSite((healthy, broken), password)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m local.demo.site", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port of the first site; the second uses the next one")
    demo = start(parser.parse_args().port)
    for url, host in zip(demo.base_urls, demo.hosts, strict=True):
        print(url, demo.explain(host) or "is healthy")
    print(f"sign in as {USERNAME} with {demo.password}")
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        demo.stop()


if __name__ == "__main__":
    main()
