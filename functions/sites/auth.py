from __future__ import annotations

from functions.sites._sign_in import Account, NotSignedIn, sign_in
from shared.archetypes.probe import HttpResponse, Probe, Verdict, Visit
from shared.aws import secrets
from shared.job import RunContext, every, natural, read_secret, settings
from shared.text.untrusted_json import parse_json

CREDENTIALS = "site-checks/credentials"
MARKER = settings.text("AUTH_MARKER", "", "Text that only signed-in visitors of a site read; empty: none")
MEMBER_PATH = settings.text(
    "AUTH_MEMBER_PATH", "", "Page that only signed-in visitors reach; empty: the page that the sign-in leads to"
)


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
    # A second wrong password in one tick could lock the account.
    tries = 1
    settings = (MARKER, MEMBER_PATH)
    permissions = (read_secret(CREDENTIALS),)

    def fetch(self, visit: Visit) -> HttpResponse:
        return sign_in(visit, account(visit.run, visit.site.host))

    def judge(self, answer: HttpResponse) -> Verdict:
        # A sign-in that fails has raised its reason.
        return Verdict(answer.status == 200, "" if answer.status == 200 else f"answered {answer.status}")


def account(run: RunContext, host: str) -> Account:
    """Read the account of a host from the secret.

    `{"default": {"username": ..., "password": ...}, "<host>": {...}}`; an entry may have its own `marker` and
    `member_path`. Raises NotSignedIn.
    """
    name = run.cloud.names.secret(CREDENTIALS)
    try:
        by_host = parse_json(secrets.read(run.cloud, CREDENTIALS))
        own = by_host.get(host) or by_host["default"]
        return Account(
            str(own["username"]),
            str(own["password"]),
            str(own.get("marker", run.setting(MARKER.name))),
            str(own.get("member_path", run.setting(MEMBER_PATH.name))),
        )
    except secrets.NoSecret as error:
        raise NotSignedIn(str(error)) from None
    except (ValueError, TypeError, KeyError, AttributeError):
        # `from None`: the text of the error could contain the secret.
        raise NotSignedIn(f"no username and password for this host in the secret {name}") from None
