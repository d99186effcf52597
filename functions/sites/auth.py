from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from urllib.parse import urljoin

from functions.sites._page import Form, HtmlPage
from shared.archetypes.probe import REDIRECTS, HttpResponse, NoResponse, Probe, Verdict, Visit, host_of
from shared.aws import secrets
from shared.job import RunContext, every, natural, read_secret

CREDENTIALS = "site-checks/credentials"


class NotSignedIn(NoResponse):
    """The sign-in failed; the message contains the reason and never the credentials."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Credentials from the secret `{"default": {"username": ..., "password": ...}, "<host>": {...}}`."""

    username: str = field(repr=False)
    password: str = field(repr=False)

    @classmethod
    def of(cls, host: str, run: RunContext) -> Credentials:
        name = run.cloud.names.secret(CREDENTIALS)
        try:
            by_host = json.loads(secrets.read(run.cloud, CREDENTIALS))
            own = by_host.get(host) or by_host["default"]
            return cls(str(own["username"]), str(own["password"]))
        except secrets.NoSecret as error:
            raise NotSignedIn(str(error)) from None
        except (ValueError, TypeError, KeyError, AttributeError):
            # `from None`: the text of the error could contain the secret.
            raise NotSignedIn(f"no username and password for this host in the secret {name}") from None


class Auth(Probe):
    """Check that signing in works on every site."""

    key = "prod-auth"
    schedule = every(minutes=15, offset=5)
    path = "/sign-in"
    plan_line = "sign in at {url}"
    patience = 90
    # Pages behind a sign-in may contain personal data.
    sampled = False
    idempotency = natural("a sign-in leaves one more session of a test account, which the site expires")
    permissions = (read_secret(CREDENTIALS),)

    def fetch(self, visit: Visit) -> HttpResponse:
        credentials = Credentials.of(visit.site.host, visit.run)
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
        if HtmlPage(answer.text, answer.url).sign_in:
            return Verdict(False, "the sign-in form was returned: the credentials were rejected")
        return Verdict(True)


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


def _inside(visit: Visit, page: HttpResponse, answer: HttpResponse) -> HttpResponse:
    """The page that a signed-in visitor is sent to."""
    onward = urljoin(answer.url, answer.headers.get("location", ""))
    if host_of(onward) != host_of(answer.url):
        # The session cookie is not sent to another host.
        raise NotSignedIn(f"redirected to {host_of(onward)}, which is another site")
    return visit.http.call("GET", onward, headers={"cookie": _cookies(page, answer)})


def _cookies(*answers: HttpResponse) -> str:
    jar = {name: value for answer in answers for name, value in answer.cookies.items()}
    return "; ".join(f"{name}={value}" for name, value in jar.items())
