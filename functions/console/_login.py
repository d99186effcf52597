"""Sign-in: by a token, or by a link that works once."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from htpy import button, form, label, p
from htpy import input as input_element

from functions.console._html import layout, tables
from functions.console._request import Answer, PageError, Request, redirect
from functions.console._session import RoleTokens, Session
from functions.console._view import UI, link
from shared import clock
from shared.admin import console_link
from shared.advised_commands import advised
from shared.aws.cloud import Cloud
from shared.observability.log import Log
from shared.store import keys, table
from shared.tables import STATE, TTL

# Failed sign-ins of one address in a minute, after which each further one is refused without a look.
MAX_FAILURES = 10
REFUSED = "This token is not valid."
RETENTION = timedelta(hours=1)
MAX_NAME = 60


def required(request: Request) -> Answer:
    """Answer a request without a session: sign in first, then go on."""
    if request.fragment:
        # The script shows a message: a page that was left open must not turn into a form.
        return Answer(401, headers={"x-signed-out": "1"})
    if request.method == "POST":
        raise PageError(401, "your session has ended; sign in, then repeat the act")
    return redirect(link("login", to=request.url))


def answer(cloud: Cloud, tokens: RoleTokens, log: Log, request: Request, rest: tuple[str, ...]) -> Answer:
    """The form, its submission, or a link."""
    if rest == ("link",) and request.method == "GET":
        return _by_link(cloud, tokens, log, request)
    if request.method == "GET":
        return _form(cloud, request, 200, "")
    if _failures(cloud, request) >= MAX_FAILURES:
        return _form(cloud, request, 429, "Too many failed sign-ins from this address. Wait a minute.")
    role = tokens.role_of(request.form.get("token", "").strip())
    if role is None:
        return _failed(cloud, tokens, log, request)
    name = request.form.get("name", "").strip()[:MAX_NAME] or f"{role} by token"
    return _signed_in(cloud, tokens, log, request, role, name)


def _by_link(cloud: Cloud, tokens: RoleTokens, log: Log, request: Request) -> Answer:
    if _failures(cloud, request) >= MAX_FAILURES:
        return _form(cloud, request, 429, "Too many failed sign-ins from this address. Wait a minute.")
    secrets = {role: guard.current for role, guard in tokens.guards.items()}
    try:
        found = console_link.redeem(cloud, secrets, request.query.get("t", ""))
    except console_link.LinkRefused as refused:
        return _failed(cloud, tokens, log, request, str(refused))
    return _signed_in(cloud, tokens, log, request, found.role, found.who)


def _signed_in(cloud: Cloud, tokens: RoleTokens, log: Log, request: Request, role: str, who: str) -> Answer:
    now = cloud.clock.now()
    log.info("console_signed_in", role=role, who=who)
    return redirect(_destination(request), tokens.cookie(Session(role, who, now, now)))


def _failed(cloud: Cloud, tokens: RoleTokens, log: Log, request: Request, why: str = REFUSED) -> Answer:
    now = cloud.clock.now()
    # Without a condition: a lost reply counts one more, which errs on the safe side.
    row = table.update(
        cloud,
        STATE,
        _counter(request, now),
        "ADD failed :one SET #expires = :expires",
        {":one": 1, ":expires": int((now + RETENTION).timestamp())},
        names={"#expires": TTL},
        return_new=True,
    )
    failures = int(row.get("failed", 0))
    log.warning("console_sign_in_failed", status="forbidden", failures=failures)
    _alert(tokens, log, failures)
    return _form(cloud, request, 403, why)


def _alert(tokens: RoleTokens, log: Log, failures: int) -> None:
    """Alert many failures: of one address, or of all in this process."""
    try:
        tokens.failures.add()
        if failures >= MAX_FAILURES:
            tokens.failures.alert()
    except Exception as error:  # noqa: BLE001 - the sign-in is refused in any case
        log.error("sign_in_alert_failed", error=f"{type(error).__name__}: {error}")


def _failures(cloud: Cloud, request: Request) -> int:
    row = table.get(cloud, STATE, _counter(request, cloud.clock.now()))
    return int(row.get("failed", 0))


def _counter(request: Request, now: datetime) -> keys.RowKey:
    address = hashlib.sha256(request.address.encode()).hexdigest()[:16]
    return keys.console("login", f"{address}#{clock.minute(now)}")


def _destination(request: Request) -> str:
    """The page that was asked for before the sign-in.

    Only a path of the console: a link must not lead elsewhere.
    """
    to = request.form.get("to") or request.query.get("to", "")
    return to if to.startswith(f"{UI}/") and "\\" not in to and to.isprintable() else link("now")


def _form(cloud: Cloud, request: Request, status: int, error: str) -> Answer:
    stage = cloud.names.stage
    page = layout.plain(
        "Sign in",
        p(".error", role="alert")[error] if error else None,
        p["Run this command. It opens the console with a link that works once, for two minutes:"],
        p[tables.command(advised(stage, "console"))],
        form(method="post", action=link("login"), class_="stack")[
            input_element(type="hidden", name="to", value=_destination(request)),
            label(for_="name")["Your name, for the audit log"],
            input_element("#name", name="name", autocomplete="username", maxlength=str(MAX_NAME)),
            label(for_="token")["Token"],
            input_element("#token", name="token", type="password", autocomplete="current-password", required=True),
            button(type="submit")["Sign in"],
        ],
        names=cloud.names,
    )
    return Answer(status, str(page))
