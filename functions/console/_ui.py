"""Pages of the console: session, route, security headers, ETag."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from functions.console import _assets, _exports, _login, _routes, _security
from functions.console._acts import confirmation
from functions.console._html import layout
from functions.console._request import Answer, PageError, Request, redirect
from functions.console._session import RoleTokens, Session, ended_cookie
from functions.console._view import UI, Page, View, link
from shared.aws.cloud import Cloud
from shared.job import manifest
from shared.observability.log import Log

HOME = "now"
METHODS = ("GET", "HEAD", "POST")


class Console:
    """The pages of one deployment."""

    def __init__(self, cloud: Cloud, log: Log) -> None:
        self.cloud = cloud
        self.log = log
        self.tokens = RoleTokens(cloud)

    def answer(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Answer the event of a Function URL; refusals are pages too."""
        request: Request | None = None
        session: Session | None = None
        try:
            request = Request.of(event)
            if request.path.startswith("/a/"):
                return _assets.answer(request).data()
            session = self.tokens.session(request.cookies, self.cloud.clock.now())
            answer = self._route(request, session)
        except PageError as error:
            answer = self._refusal(error, session, request)
        return self._finished(answer, session, request).data()

    def _route(self, request: Request, session: Session | None) -> Answer:
        if request.method not in METHODS:
            raise PageError(405, "this page is read with GET")
        if request.path in ("/", UI, f"{UI}/"):
            return redirect(link(HOME))
        place, *rest = [unquote(part) for part in request.path.removeprefix(f"{UI}/").split("/")]
        if request.method == "POST":
            _security.refuse_forged(request, self.cloud.names.stage)
        if place == "login":
            return _login.answer(self.cloud, self.tokens, self.log, request, tuple(rest))
        if place == "logout" and request.method == "POST":
            return redirect(link("login"), ended_cookie(self.cloud.names.stage))
        if session is None:
            # Before the page is looked up: nobody learns which pages exist.
            return _login.required(request)
        view = View(self.cloud, manifest.load(), session, request, tuple(rest))
        if request.method == "POST":
            return confirmation.answer(view, place, self.tokens, self.log)
        if place == "export":
            return _exports.answer(view)
        return self._shown(_routes.page(view, place), view, place)

    def _shown(self, page: Page, view: View, place: str) -> Answer:
        """The page, or its content alone, or 304 where that is unchanged."""
        content = layout.content(page)
        etag = layout.etag(content)
        headers = {"etag": etag}
        if view.request.polled and view.request.headers.get("if-none-match") == etag:
            return Answer(304, headers=headers)
        if view.request.fragment:
            return Answer(page.status, str(content), headers)
        document = layout.document(page, content, place, view.session, self.cloud.names, view.request.url)
        return Answer(page.status, str(document), headers)

    def _refusal(self, error: PageError, session: Session | None, request: Request | None) -> Answer:
        links = error.links or {link(HOME): "Now"}
        body = layout.error_body(str(error), links if session else {})
        title = "Not found" if error.status == 404 else "Not done" if error.status == 409 else "Refused"
        if session is None or request is None:
            return Answer(error.status, str(layout.plain(title, body, names=self.cloud.names)))
        page = Page(title, body, status=error.status)
        content = layout.content(page)
        if request.fragment:
            return Answer(error.status, str(content))
        names = self.cloud.names
        return Answer(error.status, str(layout.document(page, content, "", session, names, request.url)))

    def _finished(self, answer: Answer, session: Session | None, request: Request | None) -> Answer:
        """The answer with security headers, and a renewed cookie."""
        cookies = answer.cookies
        renewed = session.renewed(self.cloud.clock.now()) if session and request and not request.polled else None
        if renewed and not cookies:
            cookies = (self.tokens.cookie(renewed),)
        headers = {**_security.headers(self.cloud.names.stage), **answer.headers}
        path = request.path[:200] if request else ""
        self.log.info("console_page", path=path, status=answer.status, role=session.role if session else "")
        return Answer(answer.status, answer.body, headers, cookies, answer.content_type, answer.encoded)
