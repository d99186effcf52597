"""One attempt to sign in at a site, and its proof."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from functions.sites._form import Form
from functions.sites._page import HtmlPage, resolved
from shared.archetypes.probe import REDIRECTS, HttpResponse, NoResponse, Visit, host_of
from shared.http.client import HostBusy

if TYPE_CHECKING:
    from shared.http.cookies import CookieJar

# Seconds between two tries to fetch the form.
PAUSE = 2.0


class NotSignedIn(NoResponse):
    """The sign-in failed; the message contains the reason and never the credentials."""


@dataclass(frozen=True, slots=True)
class Account:
    """Credentials of a site, and what proves that they were accepted."""

    username: str = field(repr=False)
    password: str = field(repr=False)
    marker: str = ""
    """Text that only signed-in visitors read; empty for none."""
    member_path: str = ""
    """Path of a page that only signed-in visitors reach; empty for the page that the sign-in leads to."""


def sign_in(visit: Visit, account: Account) -> HttpResponse:
    """Sign in once. Returns the page that proves the session.

    Raises NotSignedIn.
    """
    from shared.http.cookies import CookieJar

    jar = CookieJar()
    page = _sign_in_page(visit, jar)
    form = _form(page)
    content_type, body = form.encode(form.filled(account.username, account.password), page.charset)
    answer = visit.http.call(
        "POST",
        form.action,
        body=body,
        headers={"content-type": content_type, "referer": page.url, "origin": _origin(page.url)},
        key=f"{visit.run.run_id}-{visit.site.host}",
        cookies=jar,
    )
    ms = page.ms + answer.ms
    redirected = answer.status in REDIRECTS
    if redirected:
        answer = _follow(visit, answer, jar)
        ms += answer.ms
    _refuse_failed(answer)
    return replace(_proof(visit, account, answer, jar, redirected), ms=ms)


def _sign_in_page(visit: Visit, jar: CookieJar) -> HttpResponse:
    """Fetch the page with the form.

    Only this is tried twice: a second password in one tick could lock the account.
    """
    try:
        page = visit.http.call("GET", visit.url, cookies=jar)
        if page.status < 500:
            return page
    except HostBusy:
        raise
    except NoResponse:
        pass
    visit.run.cloud.clock.sleep(PAUSE)
    return visit.http.call("GET", visit.url, cookies=jar)


def _form(page: HttpResponse) -> Form:
    if page.status != 200:
        raise NotSignedIn(f"the sign-in page answered {page.status}")
    form = HtmlPage(page.text, page.url).sign_in
    if form is None or not form.user:
        raise NotSignedIn("no form for a name and a password on the sign-in page")
    if form.method != "post":
        raise NotSignedIn("the form would send the password in its URL")
    if page.url.startswith("https:") and not form.action.startswith("https:"):
        raise NotSignedIn("the form would send the password in the clear")
    return form


def _follow(visit: Visit, answer: HttpResponse, jar: CookieJar) -> HttpResponse:
    """Open the page that a signed-in visitor is sent to."""
    if "location" not in answer.headers:
        raise NotSignedIn(f"answered {answer.status} without a location")
    if answer.status in (307, 308):
        raise NotSignedIn(f"answered {answer.status}, which would send the password a second time")
    onward = resolved(answer.url, answer.headers["location"])
    try:
        host = host_of(onward)
    except ValueError as error:
        raise NotSignedIn(f"redirected to an address that {error}") from None
    if host != host_of(answer.url):
        # The session cookie is not sent to another host.
        raise NotSignedIn(f"redirected to {host}, which is another site")
    if answer.url.startswith("https:") and not onward.startswith("https:"):
        raise NotSignedIn("redirected from https to http")
    return visit.http.call("GET", onward, cookies=jar)


def _refuse_failed(answer: HttpResponse) -> None:
    if answer.status >= 400:
        raise NotSignedIn(f"answered {answer.status}")
    if _has_sign_in(answer):
        raise NotSignedIn("the sign-in form was returned: the credentials were rejected")


def _proof(visit: Visit, account: Account, answer: HttpResponse, jar: CookieJar, redirected: bool) -> HttpResponse:
    """Return the page that proves the session.

    It contains the marker, or strangers do not reach it.
    """
    if account.member_path:
        answer = visit.http.call("GET", visit.site.at(account.member_path), cookies=jar)
        _refuse_failed(answer)
    if account.marker:
        if account.marker not in HtmlPage(answer.text, answer.url).text:
            raise NotSignedIn("the marker of a signed-in visitor is not on the page")
        return answer
    if (redirected or account.member_path) and _is_closed(visit, answer.url):
        return answer
    if not account.member_path:
        # A signed-in visitor of the sign-in page sees no form there, or is sent on.
        again = visit.http.call("GET", visit.url, cookies=jar)
        if again.status == 200 and not _has_sign_in(again):
            return again
    raise NotSignedIn("nothing proves a session: strangers see the same page; declare a marker or a member page")


def _is_closed(visit: Visit, url: str) -> bool:
    """Whether a page is closed to a visitor without a session.

    Such a visitor has the cookies of the sign-in page.
    """
    from shared.http.cookies import CookieJar

    jar = CookieJar()
    visit.http.call("GET", visit.url, cookies=jar)
    answer = visit.http.call("GET", url, cookies=jar)
    return answer.status >= 400 or not _same_page(answer.url, url) or _has_sign_in(answer)


def _has_sign_in(answer: HttpResponse) -> bool:
    return HtmlPage(answer.text, answer.url).sign_in is not None


def _same_page(one: str, other: str) -> bool:
    return urlsplit(one)[:3] == urlsplit(other)[:3]


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, "", "", ""))
