"""Auth: signing in with the right password works on every site."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from functions.sites.auth import CREDENTIALS, Auth
from local.demo.site import DemoSite
from shared.aws.cloud import Cloud
from tests.conftest import Lines, VirtualClock
from tests.functions.sites.conftest import Fire, everything, item, kept
from tests.support.web_server import Handler, Reply, Request, Web

PASSWORD = "pass-canary-4711"
NO_PROOF = "nothing proves a session: strangers see the same page; declare a marker or a member page"
FORM = (
    '<form method="post" action="/session"><input type="hidden" name="csrf" value="tok-canary">'
    '<input name="email" type="email"><input name="pw" type="password"></form>'
)


def put_credentials(cloud: Cloud, text: str) -> None:
    cloud.secrets.create_secret(Name=cloud.names.secret(CREDENTIALS), SecretString=text)


@pytest.fixture
def credentials(cloud: Cloud) -> None:
    put_credentials(cloud, json.dumps({"default": {"username": "visitor-canary", "password": PASSWORD}}))


@pytest.fixture
def gate(web: Web, credentials: None) -> Web:
    """A site that accepts the sign-in."""

    def enter(_: Handler, request: Request) -> Reply:
        good = PASSWORD in request.body and "csrf=tok-canary" in request.body and request.headers["cookie"] == "pre=1"
        if good:
            return Reply(303, "", {"location": "/home", "set-cookie": "session=sess-canary; HttpOnly"})
        return Reply(401, FORM)

    def home(_: Handler, request: Request) -> Reply:
        return Reply(200, "welcome body-canary") if "session=sess-canary" in request.headers["cookie"] else Reply(403)

    web.answers |= {"/sign-in": Reply(200, FORM, {"set-cookie": "pre=1"}), "/session": enter, "/home": home}
    return web


def note(cloud: Cloud, web: Web) -> str:
    return str(item(cloud, f"prod-auth:last:{web.host}")["status"].get("note", ""))


def test_the_demo_site_lets_us_in_where_it_is_not_broken(demo: DemoSite, fire: Fire, cloud: Cloud) -> None:
    put_credentials(cloud, demo.credentials)
    report = fire(Auth(), demo.base_urls)
    assert report.counts == {"hosts": 2, "ok": 1, "bad": 1, "invalid": 0}
    for host in demo.hosts:
        verdict = item(cloud, f"prod-auth:last:{host}")["status"]
        assert verdict["ok"] is (demo.explain(host) == "")


def test_it_fills_in_the_sites_own_form_and_follows_it_inside(gate: Web, fire: Fire) -> None:
    assert fire(Auth(), [gate.url]).ok
    # A stranger is refused at the same page: this proves the session.
    assert gate.paths() == ["/sign-in", "/session", "/home", "/sign-in", "/home"]
    assert gate.asked[4].headers["cookie"] == "pre=1"
    posted = gate.asked[1]
    assert posted.body == f"csrf=tok-canary&email=visitor-canary&pw={PASSWORD}"
    assert posted.headers["idempotency-key"]


def test_its_time_is_that_of_the_whole_way_in(gate: Web, fire: Fire, cloud: Cloud) -> None:
    enter = gate.answers["/session"]
    assert callable(enter)

    def slowly(handler: Handler, request: Request) -> Reply | None:
        time.sleep(0.2)
        return enter(handler, request)

    gate.answers["/session"] = slowly
    fire(Auth(), [gate.url])
    assert item(cloud, f"prod-auth:last:{gate.host}")["status"]["ms"] >= 200


def test_secrets_are_nowhere(gate: Web, fire: Fire, cloud: Cloud, log: Lines) -> None:
    fire(Auth(), [gate.url])
    gate.answers["/home"] = Reply(500, f"{PASSWORD} sess-canary visitor-canary")
    fire(Auth(), [gate.url], {"manual": True, "id": "m-1"})
    gate.answers["/session"] = Reply(200, FORM + PASSWORD, {"set-cookie": "session=sess-canary"})
    fire(Auth(), [gate.url], {"manual": True, "id": "m-2"})
    written = everything(cloud, log)
    for canary in (PASSWORD, "sess-canary", "visitor-canary", "tok-canary", "body-canary"):
        assert canary not in written


def test_its_artifact_has_no_sample(gate: Web, fire: Fire, cloud: Cloud) -> None:
    fire(Auth(), [gate.url])
    artifacts = kept(cloud, "auth/")
    assert len(artifacts) == 2
    for artifact in artifacts.values():
        assert set(artifact) == {"kind", "ok", "status", "ms", "at", "host", "note", "tick"}


def test_a_hosts_own_credentials_come_before_the_default(web: Web, gate: Web, fire: Fire, cloud: Cloud) -> None:
    cloud.secrets.put_secret_value(
        SecretId=cloud.names.secret(CREDENTIALS),
        SecretString=json.dumps(
            {"default": {"username": "x", "password": "y"}, gate.host: {"username": "v", "password": PASSWORD}}
        ),
    )
    assert fire(Auth(), [gate.url]).ok


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"/sign-in": Reply(503)}, "the sign-in page answered 503"),
        ({"/sign-in": Reply(200, "closed")}, "no form for a name and a password on the sign-in page"),
        ({"/sign-in": Reply(200, FORM.replace("post", "get"))}, "the form would send the password in its URL"),
        ({"/session": Reply(401, FORM)}, "answered 401"),
        ({"/session": Reply(200, "hm")}, NO_PROOF),
        ({"/session": Reply(200, "Wrong password", {"set-cookie": "visitor=1"})}, NO_PROOF),
        ({"/session": Reply(302, "", {"location": "/"}), "/": Reply(200, "Welcome, visitor")}, NO_PROOF),
        (
            {"/session": Reply(302, "", {"location": "/sign-in?error=1"}), "/sign-in?error=1": Reply(200, "No")},
            NO_PROOF,
        ),
        ({"/session": Reply(307, "", {"location": "/x"})}, "answered 307, which would send the password a second time"),
        ({"/session": Reply(302)}, "answered 302 without a location"),
        (
            {"/session": Reply(200, FORM, {"set-cookie": "a=1"})},
            "the sign-in form was returned: the credentials were rejected",
        ),
        (
            {"/session": Reply(302, "", {"location": "/sign-in"})},
            "the sign-in form was returned: the credentials were rejected",
        ),
        (
            {"/session": Reply(302, "", {"location": "https://idp.example/"})},
            "redirected to idp.example, which is another site",
        ),
        ({"/home": Reply(500)}, "answered 500"),
    ],
)
def test_a_sign_in_that_fails_says_where(
    change: dict[str, Any], fault: str, gate: Web, fire: Fire, cloud: Cloud
) -> None:
    gate.answers |= change
    report = fire(Auth(), [gate.url])
    assert (report.outcome, report.ok) == ("done", False)
    assert note(cloud, gate) == fault


def test_a_password_is_never_sent_to_another_host(gate: Web, fire: Fire) -> None:
    with Web() as other:
        gate.answers["/sign-in"] = Reply(200, FORM.replace('"/session"', f'"{other.url}/session"'))
        assert not fire(Auth(), [gate.url]).ok
        assert other.asked == []


@pytest.mark.parametrize(
    "text",
    [None, "not json canary-1", "[]", "{}", '{"default": {"username": "canary-1"}}', '{"default": "canary-1"}', "null"],
)
def test_missing_credentials_are_the_sites_verdict_and_say_which_secret(
    text: str | None, web: Web, fire: Fire, cloud: Cloud, log: Lines
) -> None:
    if text is not None:
        put_credentials(cloud, text)
    report = fire(Auth(), [web.url])
    assert (report.outcome, report.ok) == ("done", False)
    assert "nightshift/test/site-checks/credentials" in item(cloud, f"prod-auth:last:{web.host}")["status"]["note"]
    assert "canary-1" not in everything(cloud, log)
    assert web.asked == []


def test_a_rotated_password_is_seen_at_the_next_tick(gate: Web, fire: Fire, cloud: Cloud, clock: VirtualClock) -> None:
    assert fire(Auth(), [gate.url]).ok
    cloud.secrets.put_secret_value(
        SecretId=cloud.names.secret(CREDENTIALS), SecretString='{"default": {"username": "v", "password": "stale"}}'
    )
    clock.move(minutes=15)
    assert not fire(Auth(), [gate.url]).ok


def test_a_run_asks_for_the_secret_once(gate: Web, fire: Fire, cloud: Cloud) -> None:
    from tests.conftest import Calls

    calls = Calls(cloud)
    with Web() as other:
        fire(Auth(), [gate.url, other.url])
    assert 1 <= calls.made.count("secretsmanager:GetSecretValue") <= 2
