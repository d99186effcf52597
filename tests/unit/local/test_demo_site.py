"""The demo site: one host is healthy, one is broken as its page describes."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import urllib3

from local.demo import site
from local.demo.page_score import evaluate
from local.demo.site import USERNAME, DemoSite

ROOT = Path(__file__).parents[3]
HTTP = urllib3.PoolManager(retries=False)


@pytest.fixture
def demo() -> Iterator[DemoSite]:
    made = site.start()
    yield made
    made.stop()


@pytest.fixture
def well(demo: DemoSite) -> str:
    return demo.base_urls[0]


@pytest.fixture
def broken(demo: DemoSite) -> str:
    return demo.base_urls[1]


def post(url: str, body: str, **headers: str) -> Any:
    return HTTP.request(
        "POST", url, body=body, headers={k.replace("_", "-"): v for k, v in headers.items()}, redirect=False
    )


def sign_in(site: str, password: str, *, cookie: bool = True) -> Any:
    page = HTTP.request("GET", f"{site}/sign-in")
    (token,) = re.findall(r'name="csrf" value="([^"]+)"', page.data.decode())
    headers = {"cookie": page.headers["set-cookie"].partition(";")[0]} if cookie else {}
    return post(f"{site}/sign-in", urlencode({"csrf": token, "username": USERNAME, "password": password}), **headers)


def test_it_listens_on_loopback_at_free_ports_and_stops(demo: DemoSite) -> None:
    for host in demo.hosts:
        name, _, port = host.partition(":")
        assert name == "127.0.0.1"
        socket.create_connection((name, int(port)), 1).close()
    demo.stop()
    with pytest.raises(ConnectionError):
        socket.create_connection(("127.0.0.1", int(demo.hosts[0].partition(":")[2])), 1)


def test_a_taken_port_is_an_error_and_leaves_nothing_open() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            site.start(port - 1)
    socket.create_server(("127.0.0.1", port - 1)).close()


def test_it_explains_what_is_broken_on_purpose(demo: DemoSite) -> None:
    well, broken = demo.hosts
    assert demo.explain(well) == ""
    assert "/pricing lists plans without prices" in demo.explain(broken)
    with pytest.raises(KeyError):
        demo.explain("nowhere.example")


def test_prices_are_on_one_pricing_page(well: str, broken: str) -> None:
    assert "€9" in HTTP.request("GET", f"{well}/pricing").data.decode()
    page = HTTP.request("GET", f"{broken}/pricing")
    assert page.status == 200
    assert "€" not in page.data.decode()


def test_the_right_password_opens_a_session(demo: DemoSite, well: str) -> None:
    answer = sign_in(well, demo.password)
    assert (answer.status, answer.headers["location"]) == (303, "/account")
    session = answer.headers["set-cookie"].partition(";")[0]
    inside = HTTP.request("GET", f"{well}/account", headers={"cookie": session}, redirect=False)
    assert (inside.status, "Welcome back" in inside.data.decode()) == (200, True)


def test_without_a_session_the_account_is_closed(well: str) -> None:
    answer = HTTP.request("GET", f"{well}/account", headers={"cookie": "session=guess"}, redirect=False)
    assert (answer.status, answer.headers["location"]) == (303, "/sign-in")


def test_a_wrong_password_a_missing_token_and_the_broken_site_open_none(demo: DemoSite, well: str, broken: str) -> None:
    for answer in (sign_in(well, "guess"), sign_in(well, demo.password, cookie=False), sign_in(broken, demo.password)):
        assert answer.status == 401
        assert "session=" not in answer.headers.get("set-cookie", "")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_one_link_of_the_broken_docs_is_dead(method: str, well: str, broken: str) -> None:
    for base, dead in ((well, []), (broken, ["/docs/retries"])):
        links = re.findall(r'href="(/docs/[^"]+)"', HTTP.request("GET", f"{base}/docs/").data.decode())
        assert [link for link in links if HTTP.request(method, base + link).status == 404] == dead


def test_an_evaluation_is_worked_out_once_for_a_key(well: str) -> None:
    body = json.dumps({"task": "t", "url": f"{well}/pricing"})
    first, again, other = (post(f"{well}/api/web-eval/run", body, idempotency_key=key) for key in ("a", "a", "b"))
    assert first.status == 200
    assert first.data == again.data
    assert json.loads(other.data)["checks"]["title"] is True


@pytest.mark.parametrize(
    ("body", "status"),
    [("{}", 422), ("[]", 422), ("no json", 422), ('{"url": 5}', 422), ('{"url": "http://169.254.169.254/"}', 422)],
)
def test_it_evaluates_its_own_pages_alone(body: str, status: int, well: str) -> None:
    assert post(f"{well}/api/web-eval/run", body, idempotency_key="a").status == status


def test_an_evaluation_needs_a_key_and_the_broken_site_does_none(well: str, broken: str) -> None:
    body = json.dumps({"url": f"{well}/pricing"})
    assert post(f"{well}/api/web-eval/run", body).status == 400
    assert post(f"{broken}/api/web-eval/run", body, idempotency_key="a").status == 503


def test_in_production_its_api_is_for_internal_calls_alone() -> None:
    closed = site.start(production=True)
    try:
        url = f"{closed.base_urls[0]}/api/web-eval/run"
        body = json.dumps({"url": f"{closed.base_urls[0]}/"})
        assert post(url, body, idempotency_key="a").status == 403
        assert post(url, body, idempotency_key="a", x_internal_exec="1").status == 200
    finally:
        closed.stop()


def test_what_is_too_large_to_be_read_is_not_taken_for_the_next_request(demo: DemoSite) -> None:
    host, _, port = demo.hosts[0].partition(":")
    with socket.create_connection((host, int(port)), 5) as connection:
        connection.sendall(b"POST /sign-in HTTP/1.1\r\nhost: x\r\ncontent-length: 65600\r\n\r\n" + b"x" * 65_600)
        answer = b""
        with contextlib.suppress(ConnectionError):
            while chunk := connection.recv(65_536):
                answer += chunk
    assert answer.count(b"HTTP/1.1 ") == 1


def test_a_page_scores_by_what_it_has(well: str) -> None:
    assert evaluate(f"{well}/pricing")["checks"] == {
        "answers": True,
        "title": True,
        "one heading": True,
        "language": True,
        "description": False,
    }
    assert evaluate(f"{well}/nowhere")["score"] == 0


def test_its_password_is_new_each_time_and_not_shown(demo: DemoSite) -> None:
    other = site.start()
    other.stop()
    assert demo.password != other.password
    assert demo.password not in repr(demo)
    assert json.loads(demo.credentials)["default"]["password"] == demo.password


def test_it_runs_by_itself() -> None:
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "local.demo.site"], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as site:
        assert site.stdout is not None
        url = site.stdout.readline().split()[0]
        assert HTTP.request("GET", f"{url}/pricing").status == 200
        site.terminate()
