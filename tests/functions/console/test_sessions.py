"""Sessions of the console: sign-in, links, roles, ends, forged forms, headers."""

from __future__ import annotations

from functions.console._routes import PAGES
from functions.console._ui import Console
from shared.admin import console_link
from shared.aws.cloud import Cloud
from shared.store import keys, table
from shared.tables import STATE
from tests.conftest import VirtualClock
from tests.support.console_browser import HOST, Person

ACTS = ("pause", "resume", "pause-tenant", "resume-tenant", "run", "apply", "retry", "retry-group", "purge", "settle")
PATHS = [f"/ui/{place}" for place in PAGES] + ["/ui/jobs/pricing", "/ui/tenants/org_42", "/ui/nowhere", "/ui/dead/x"]


def test_without_a_session_nothing_is_shown_and_nothing_is_accepted(console: Console) -> None:
    for path in PATHS:
        seen = Person(console).get(path)
        assert (seen.status, seen.text) == (303, "")
        assert seen.headers["location"].startswith("/ui/login?to=%2Fui%2F")
        for cookie in ("", "__Host-session=operator.e30.x", "__Host-session=; x", "__Host-session=\xff"):
            seen = Person(console, cookie).get(path, **{"hx-request": "true"})
            assert (seen.status, seen.text) == (401, "")
    for act in ACTS:
        for place in ("preview", "act"):
            assert Person(console).post(f"/ui/{place}/{act}", {"job": "pricing"}).status == 401


def test_a_token_signs_in_and_returns_to_the_page(console: Console) -> None:
    person = Person(console)
    seen = person.post("/ui/login", {"token": "open sesame", "name": "ada", "to": "/ui/dead?job=crash"})
    assert (seen.status, seen.headers["location"]) == (303, "/ui/dead?job=crash")
    (cookie,) = seen.cookies
    assert cookie.startswith("__Host-session=")
    assert cookie.endswith("; Path=/; HttpOnly; SameSite=Strict; Secure")
    assert "ada (operator)" in person.get("/ui/now").text


def test_a_sign_in_leads_to_no_other_site(console: Console) -> None:
    for to in ("https://evil.example", "//evil.example", "/ui/\\evil", "/uiX", "/ui/\r\nSet-Cookie: a=b"):
        seen = Person(console).post("/ui/login", {"token": "open sesame", "to": to})
        assert seen.headers["location"] == "/ui/now"


def test_a_wrong_token_is_refused_by_the_same_page(console: Console) -> None:
    texts = set()
    for token in ("", "wrong", "open sesame!", "x" * 5000):
        seen = Person(console).post("/ui/login", {"token": token})
        assert (seen.status, seen.cookies) == (403, [])
        assert "This token is not valid." in seen.text
        texts.add(seen.text)
    assert len(texts) == 1


def test_ten_failures_a_minute_are_looked_at(console: Console, clock: VirtualClock) -> None:
    person = Person(console)
    assert [person.sign_in("wrong").status for _ in range(11)] == [403] * 10 + [429]
    assert person.sign_in("open sesame").status == 429
    clock.move(minutes=1)
    assert person.sign_in("open sesame").status == 303


def test_a_link_signs_in_once_as_its_person(console: Console, cloud: Cloud) -> None:
    link = console_link.mint("", "open sesame", "operator", "arn:aws:iam::1:user/ada", cloud.clock.now(), "/ui/dead")
    person = Person(console)
    seen = person.get(link)
    assert (seen.status, seen.headers["location"]) == (303, "/ui/dead")
    assert "arn:aws:iam::1:user/ada (operator)" in person.get("/ui/now").text
    again = Person(console).get(link)
    assert (again.status, "This link was used before" in again.text) == (403, True)


def test_a_session_ends_after_half_an_hour_without_a_request(operator: Person, clock: VirtualClock) -> None:
    for _ in range(3):
        clock.move(minutes=29)
        assert operator.get("/ui/help").status == 200
    clock.move(minutes=31)
    assert operator.get("/ui/help").status == 303


def test_a_refresh_of_the_page_is_no_request_of_a_person(operator: Person, clock: VirtualClock) -> None:
    for _ in range(2):
        clock.move(minutes=16)
        operator.get("/ui/help", **{"x-poll": "1", "hx-request": "true"})
    assert operator.get("/ui/help").status == 303


def test_a_session_ends_after_eight_hours(operator: Person, clock: VirtualClock) -> None:
    for _ in range(16):
        clock.move(minutes=29)
        operator.get("/ui/help")
    clock.move(minutes=17)
    assert operator.get("/ui/help").status == 303


def test_a_rotated_token_ends_its_sessions(operator: Person, viewer: Person, cloud: Cloud) -> None:
    cloud.secrets.put_secret_value(SecretId=cloud.names.secret("internal-health-token"), SecretString="another")
    for guard in operator.console.tokens.guards.values():
        guard.read_at = -1000.0
    assert operator.get("/ui/help").status == 303
    assert viewer.get("/ui/help").status == 200


def test_a_signed_out_person_is_signed_out(operator: Person) -> None:
    assert "Max-Age=0" in operator.post("/ui/logout").cookies[0]
    assert operator.get("/ui/help").status == 303


def test_a_viewer_sees_no_button_and_may_do_nothing(viewer: Person) -> None:
    for act in ACTS:
        assert viewer.post(f"/ui/preview/{act}", {"job": "pricing", "id": "0"}).status == 403
        assert viewer.post(f"/ui/act/{act}", {"frozen": "x"}).status == 403
    for path in PATHS:
        assert "/ui/preview/" not in viewer.get(path).text


def test_a_form_of_another_site_is_refused(operator: Person) -> None:
    for forged in (
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": f"http://{HOST}"},
        {"origin": "http://127.0.0.1:3000"},
    ):
        for path in ("/ui/preview/pause", "/ui/act/pause", "/ui/login", "/ui/logout"):
            seen = operator.post(path, {"job": "pricing", "token": "open sesame"}, **forged)
            assert (seen.status, seen.cookies) == (403, [])


def test_every_answer_has_the_security_headers(operator: Person) -> None:
    for path in ("/ui/login", "/ui/now", "/ui/nowhere", "/"):
        headers = operator.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"
        assert "strict-transport-security" in headers


def test_other_methods_are_refused(operator: Person) -> None:
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
        assert operator._send(method, "/ui/now", {}, {}).status == 405


def test_many_failed_sign_ins_are_alerted(console: Console, cloud: Cloud) -> None:
    person = Person(console)
    for _ in range(9):
        person.sign_in("wrong")
    assert list(table.query(cloud, STATE, "pk = :pk", {":pk": keys.owed_alerts()})) == []
    for _ in range(5):
        person.sign_in("wrong")
    [row] = table.query(cloud, STATE, "pk = :pk", {":pk": keys.owed_alerts()})
    assert (row["alert"]["kind"], row["alert"]["about"]) == ("SIGN_INS_FAILED", "console")
