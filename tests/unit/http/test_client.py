"""Outbound calls: limited in time, size and rate, to declared hosts only."""

from __future__ import annotations

import gzip
import json
import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from shared.aws.cloud import Cloud
from shared.aws.names import Names
from shared.http.client import (
    MAX_BODY,
    MAX_HOLD,
    HostBusy,
    HostNotAllowed,
    HttpClient,
    HttpResponse,
    NoResponse,
    NotSent,
)
from tests.conftest import NOON, VirtualClock
from tests.support.certificate import Certificate
from tests.support.web_server import Reply, Web, babble, drip, hang, reset, slow_headers

TEST = Names("test", "123456789012", "us-east-1")
PRODUCTION = Names("prod", "123456789012", "us-east-1")


@pytest.fixture
def web() -> Iterator[Web]:
    with Web() as made:
        yield made


def client(web: Web, clock: VirtualClock | None = None, names: Names = TEST, **limits: Any) -> HttpClient:
    clock = clock or VirtualClock()
    return HttpClient(Cloud(names, clock, {}), [web.host], **{"rate": 1000, "read": 2, **limits})


def test_an_answer_has_status_headers_text_and_time(web: Web) -> None:
    web.answers["/"] = Reply(418, "kettle", {"X-Kind": "pot"})
    answer = client(web).call("GET", f"{web.url}/")
    assert (answer.status, answer.headers["x-kind"], answer.text) == (418, "pot", "kettle")
    assert answer.url == f"{web.url}/"
    assert 0 <= answer.ms < 2000


def test_it_sends_its_user_agent(web: Web) -> None:
    web.answers["/"] = Reply()
    client(web).call("GET", f"{web.url}/")
    assert web.asked[0].headers["user-agent"] == "nightshift"


def test_a_host_that_is_not_declared_is_never_called(web: Web) -> None:
    web.answers["/"] = Reply()
    with pytest.raises(HostNotAllowed, match="may not call"):
        client(web).call("GET", f"http://localhost:{web.server_port}/")
    assert web.asked == []


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://", "gopher://127.0.0.1/"])
def test_an_invalid_url_is_not_called(url: str, web: Web) -> None:
    with pytest.raises(NoResponse):
        client(web).call("GET", url)


def test_a_redirect_is_followed_on_the_same_host(web: Web) -> None:
    web.answers |= {"/old": Reply(301, "", {"location": "/new"}), "/new": Reply(200, "here")}
    answer = client(web).call("GET", f"{web.url}/old")
    assert (answer.text, answer.url) == ("here", f"{web.url}/new")


def test_a_redirect_to_a_host_that_is_not_declared_is_not_followed(web: Web) -> None:
    with Web() as other:
        other.answers["/"] = Reply()
        web.answers["/"] = Reply(302, "", {"location": other.url + "/"})
        with pytest.raises(HostNotAllowed, match=other.host):
            client(web).call("GET", f"{web.url}/")
        assert other.asked == []


def test_headers_are_not_sent_to_another_origin(web: Web) -> None:
    with Web() as other:
        other.answers["/"] = Reply(200, "there")
        web.answers["/"] = Reply(302, "", {"location": other.url + "/"})
        http = HttpClient(Cloud(TEST, VirtualClock(), {}), [web.host, other.host], rate=1000)
        assert http.call("GET", f"{web.url}/", headers={"cookie": "session=abc"}).text == "there"
        assert "cookie" in web.asked[0].headers
        assert "cookie" not in other.asked[0].headers


def test_a_redirect_from_https_to_http_is_not_followed() -> None:
    class Downgrading(HttpClient):
        def _once(self, method: str, url: str, *_: Any) -> HttpResponse:
            assert url == "https://a.example/"
            return HttpResponse(301, {"location": "http://a.example/"}, "", 1, url)

    with pytest.raises(NoResponse, match="from https to http"):
        Downgrading(Cloud(TEST, VirtualClock(), {}), ["a.example"], rate=1).call("GET", "https://a.example/")


def test_a_redirect_loop_ends(web: Web) -> None:
    web.answers["/"] = Reply(302, "", {"location": "/"})
    with pytest.raises(NoResponse, match="more than 5 times"):
        client(web).call("GET", f"{web.url}/")
    assert len(web.asked) == 6


def test_a_redirect_is_the_answer_to_a_post(web: Web) -> None:
    web.answers["/"] = Reply(303, "", {"location": "/next"})
    assert client(web).call("POST", f"{web.url}/", form={"a": "b"}, key="k").status == 303
    assert len(web.asked) == 1


def test_a_method_that_is_not_safe_needs_an_idempotency_key(web: Web) -> None:
    with pytest.raises(ValueError, match="idempotency key"):
        client(web).call("POST", f"{web.url}/", json={})
    assert web.asked == []


def test_the_idempotency_key_and_the_document_are_sent(web: Web) -> None:
    web.answers["/"] = Reply()
    client(web).call("POST", f"{web.url}/", json={"a": "ü"}, key="task-1")
    (request,) = web.asked
    assert request.headers["idempotency-key"] == "task-1"
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.body) == {"a": "ü"}


@pytest.mark.parametrize(
    ("names", "internal", "sent"), [(PRODUCTION, True, "1"), (PRODUCTION, False, None), (TEST, True, None)]
)
def test_calls_to_our_own_api_have_a_header_in_production(
    names: Names, internal: bool, sent: str | None, web: Web
) -> None:
    web.answers["/"] = Reply()
    client(web, names=names).call("GET", f"{web.url}/", internal=internal)
    assert web.asked[0].headers.get("x-internal-exec") == sent


def test_a_body_is_read_up_to_a_mebibyte(web: Web) -> None:
    web.answers["/"] = Reply(200, "x" * (3 * MAX_BODY))
    assert len(client(web).call("GET", f"{web.url}/").text) == MAX_BODY


def test_a_compressed_body_is_read_up_to_a_mebibyte_unpacked(web: Web) -> None:
    web.answers["/"] = Reply(200, gzip.compress(b"x" * (50 * MAX_BODY)), {"content-encoding": "gzip"})
    assert len(client(web).call("GET", f"{web.url}/").text) == MAX_BODY


@pytest.mark.parametrize(
    ("behaviour", "fault"),
    [
        (hang, r"no answer within 0\.3 s"),
        (reset, "the connection broke"),
        (babble, "the connection broke"),
        (drip, r"the body took longer than 0\.3 s"),
    ],
)
def test_a_missing_response_is_an_error_with_its_reason_and_in_time(behaviour: Any, fault: str, web: Web) -> None:
    web.answers["/"] = behaviour
    started = time.monotonic()
    with pytest.raises(NoResponse, match=fault):
        client(web, read=0.3).call("GET", f"{web.url}/")
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("behaviour", [hang, reset, babble, drip])
def test_a_request_that_was_sent_without_a_response_is_not_reported_as_not_sent(behaviour: Any, web: Web) -> None:
    web.answers["/"] = behaviour
    with pytest.raises(NoResponse) as error:
        client(web, read=0.3).call("POST", f"{web.url}/", json={}, key="k-1")
    assert not isinstance(error.value, NotSent)


def test_a_body_is_sent_as_it_is(web: Web) -> None:
    web.answers["/"] = Reply()
    client(web).call("POST", f"{web.url}/", body='{"a":  1}', headers={"content-type": "application/json"}, key="k-1")
    assert (web.asked[0].body, web.asked[0].headers["content-type"]) == ('{"a":  1}', "application/json")


def test_a_closed_port_is_no_response(web: Web) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(NotSent, match="cannot connect"):
            HttpClient(Cloud(TEST, VirtualClock(), {}), [host], rate=1).call("GET", f"http://{host}/")


def test_a_name_that_does_not_resolve_is_no_response() -> None:
    with pytest.raises(NotSent, match="does not resolve"):
        HttpClient(Cloud(TEST, VirtualClock(), {}), ["nowhere.invalid"], rate=1).call("GET", "http://nowhere.invalid/")


def test_plain_text_instead_of_tls_is_no_response(web: Web) -> None:
    with pytest.raises(NoResponse, match="TLS"):
        client(web).call("GET", f"https://{web.host}/")


def test_nothing_is_sent_to_a_server_with_a_wrong_certificate(web: Web, certificate: Certificate) -> None:
    with Web(certificate.server()) as posing, pytest.raises(NotSent, match=r"TLS: .*certificate verify failed"):
        client(posing).call("POST", posing.url, json={}, key="k-1")
    assert posing.asked == []


def test_no_call_outlives_the_run(web: Web) -> None:
    web.answers["/"] = hang
    started = time.monotonic()
    with pytest.raises(NoResponse):
        client(web, read=20, remaining=lambda: 0.3).call("GET", f"{web.url}/")
    assert time.monotonic() - started < 2


def test_calls_to_one_host_keep_the_rate(web: Web) -> None:
    web.answers["/"] = Reply()
    clock = VirtualClock()
    http = client(web, clock, rate=2)
    for _ in range(5):
        http.call("GET", f"{web.url}/")
    assert clock.now() - NOON == timedelta(seconds=2)


@pytest.mark.parametrize("after", ["4", format_datetime(NOON + timedelta(seconds=4), usegmt=True)])
def test_the_next_call_waits_for_retry_after(after: str, web: Web) -> None:
    web.answers["/"] = [Reply(503, "", {"retry-after": after}), Reply()]
    clock = VirtualClock()
    http = client(web, clock)
    assert http.call("GET", f"{web.url}/").retry_after == 4
    assert http.call("GET", f"{web.url}/").status == 200
    assert (clock.now() - NOON).total_seconds() >= 4


def test_a_long_wait_is_an_error_at_once(web: Web) -> None:
    web.answers["/"] = Reply(429, "", {"retry-after": "3600"})
    http = client(web)
    http.call("GET", f"{web.url}/")
    with pytest.raises(HostBusy) as busy:
        http.call("GET", f"{web.url}/")
    assert busy.value.seconds == 3600
    assert len(web.asked) == 1


def test_a_wait_beyond_the_end_of_the_run_is_an_error_at_once(web: Web) -> None:
    web.answers["/"] = Reply(429, "", {"retry-after": "5"})
    http = client(web, remaining=lambda: 4.0)
    http.call("GET", f"{web.url}/")
    with pytest.raises(HostBusy):
        http.call("GET", f"{web.url}/")


@pytest.mark.parametrize(
    "after",
    [
        *("soon", "-5", "Fri, 99 Foo 2026", ""),
        # Numbers outside of any calendar.
        "Sun, 22 Nov 99999999999999 00:00:00 GMT",
        "Sun, 22 Nov 2026 00:00:00 +99999999999999999999",
    ],
)
def test_an_invalid_retry_after_is_ignored(after: str, web: Web) -> None:
    web.answers["/"] = Reply(503, "", {"retry-after": after})
    http = client(web)
    assert http.call("GET", f"{web.url}/").retry_after is None
    assert http.call("GET", f"{web.url}/").status == 503


@pytest.mark.parametrize("after", ["9" * 400, "9999999999", "Fri, 31 Dec 9999 23:59:59 -2359"])
def test_a_retry_after_is_limited_to_a_year(after: str, web: Web) -> None:
    web.answers["/"] = Reply(503, "", {"retry-after": after})
    http = client(web)
    assert http.call("GET", f"{web.url}/").retry_after == MAX_HOLD
    with pytest.raises(HostBusy):
        http.call("GET", f"{web.url}/")


def test_proxies_of_the_environment_are_ignored(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    web.answers["/"] = Reply(200, "direct")
    assert client(web).call("GET", f"{web.url}/").text == "direct"


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        ("9 €".encode(), "text/html", "9 €"),
        ("9 €".encode("iso-8859-15"), 'text/html; charset="ISO-8859-15"', "9 €"),
        (b"\xff 9", "text/html; charset=utf-8", "\ufffd 9"),
        (b"9 $", "text/html; charset=no-such", "9 $"),
        (b"9 $", "text/html; charset=rot13", "9 $"),
        (b"9 $", "text/html; charset=euc-nowhere", "9 $"),
    ],
)
def test_text_is_decoded_with_the_charset_of_the_content_type(body: bytes, kind: str, text: str, web: Web) -> None:
    web.answers["/"] = Reply(200, body, {"content-type": kind})
    assert client(web).call("GET", f"{web.url}/").text == text


def test_cookies_are_not_among_the_headers_and_not_in_the_repr(web: Web) -> None:
    web.answers["/"] = Reply(200, "", {"set-cookie": "a=1; Path=/; Expires=Fri, 1 Jan 2027 00:00:00 GMT\nb=s3cret"})
    answer = client(web).call("GET", f"{web.url}/")
    assert "set-cookie" not in answer.headers
    assert "s3cret" not in repr(answer)


def test_the_repr_of_a_response_contains_no_text() -> None:
    assert "private" not in repr(HttpResponse(200, {}, "private", 1, "http://a.example/"))


def test_a_header_with_a_line_break_is_not_sent(web: Web) -> None:
    with pytest.raises(NoResponse):
        client(web).call("GET", f"{web.url}/", headers={"cookie": "a=1\r\nx-internal-exec: 1"})
    assert web.asked == []


def test_endless_headers_end_with_the_time_to_read(web: Web) -> None:
    """Each byte comes in time, so no timeout of a socket ends the call."""
    web.answers["/"] = slow_headers
    with pytest.raises(NoResponse, match=r"no answer within 0\.3 s"):
        client(web, read=0.3).call("GET", f"{web.url}/")
