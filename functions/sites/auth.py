from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from urllib.parse import urljoin

from functions.sites._page import Form, Page
from shared.archetypes.probe import HttpResponse, Probe, Verdict, Visit
from shared.aws import secrets
from shared.aws.cloud import Cloud
from shared.http.client import REDIRECTS, NoResponse
from shared.http.sites import host_of
from shared.job import every, natural, read_secret

CREDENTIALS = "site-checks/credentials"


class NotSignedIn(NoResponse):
    """The site let nobody in; the message says where it went wrong, and never with what."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """From the secret: `{"default": {"username": ..., "password": ...}, "<host>": {...}}`."""

    username: str = field(repr=False)
    password: str = field(repr=False)

    @classmethod
    def of(cls, host: str, cloud: Cloud) -> Credentials:
        name = cloud.names.secret(CREDENTIALS)
        try:
            known = json.loads(secrets.read(cloud, CREDENTIALS))
            given = known.get(host) or known["default"]
            return cls(str(given["username"]), str(given["password"]))
        except secrets.NoSecret as error:
            raise NotSignedIn(str(error)) from None
        except (ValueError, TypeError, KeyError, AttributeError):
            # `from None`, and nothing of the error: its text could be the secret's.
            raise NotSignedIn(f"no username and password for it in the secret {name}") from None


class Auth(Probe):
    """Sign in to every site as a visitor would, and check that it lets us in."""

    key = "prod-auth"
    schedule = every(minutes=15, offset=5)
    path = "/sign-in"
    plan_line = "sign in at {url}"
    patience = 90
    # What is behind a sign-in is nobody's sample.
    sampled = False
    idempotency = natural("a sign-in leaves one more session of a test account, which the site ends by itself")
    permissions = (read_secret(CREDENTIALS),)

    def fetch(self, visit: Visit) -> HttpResponse:
        credentials = Credentials.of(visit.site.host, visit.run.cloud)
        page = visit.http.call("GET", visit.url)
        form = _form(page)
        answer = visit.http.call(
            "POST",
            form.action,
            form={**form.fields, form.user: credentials.username, form.password: credentials.password},
            headers={"cookie": _cookies(page), "referer": page.url},
            key=f"{visit.run.run_id}-{visit.site.host}",
        )
        if answer.status in REDIRECTS:
            inside = _inside(visit, page, answer)
            return replace(inside, ms=page.ms + answer.ms + inside.ms)
        if answer.status < 400 and not answer.cookies:
            raise NotSignedIn("no session cookie and no redirect came back")
        return replace(answer, ms=page.ms + answer.ms)

    def judge(self, answer: HttpResponse) -> Verdict:
        if answer.status >= 400:
            return Verdict(False, f"answered {answer.status}")
        if Page(answer.text, answer.url).sign_in:
            return Verdict(False, "the form came back: it did not take the credentials")
        return Verdict(True)


def _form(page: HttpResponse) -> Form:
    if page.status != 200:
        raise NotSignedIn(f"the sign-in page answered {page.status}")
    form = Page(page.text, page.url).sign_in
    if form is None or not form.user:
        raise NotSignedIn("no form for a name and a password on the sign-in page")
    if form.method != "post":
        raise NotSignedIn("the form would send the password in its URL")
    if page.url.startswith("https:") and not form.action.startswith("https:"):
        raise NotSignedIn("the form would send the password in the clear")
    return form


def _inside(visit: Visit, page: HttpResponse, answer: HttpResponse) -> HttpResponse:
    """The page that a signed-in visitor is sent to."""
    onward = urljoin(answer.url, answer.headers.get("location", ""))
    if host_of(onward) != host_of(answer.url):
        # Another host is not shown this one's session.
        raise NotSignedIn(f"sent on to {host_of(onward)}, which is another site")
    return visit.http.call("GET", onward, headers={"cookie": _cookies(page, answer)})


def _cookies(*answers: HttpResponse) -> str:
    jar = {name: value for answer in answers for name, value in answer.cookies.items()}
    return "; ".join(f"{name}={value}" for name, value in jar.items())
