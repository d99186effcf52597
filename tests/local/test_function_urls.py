"""Function URLs, and their proxies on ports of this machine."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from local.function_urls import MAX_BODY, FunctionUrlProxy
from tests.local.conftest import Account

SOURCE = """
    import json

    def handle(event, context):
        if event["rawPath"] == "/teapot":
            return {"statusCode": 418, "headers": {"X-Kind": "pot"}, "body": "short and stout"}
        return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": json.dumps(event)}
"""


@pytest.fixture
def proxy(account: Account) -> Iterator[FunctionUrlProxy]:
    account.function(SOURCE)
    url = account.client("lambda").create_function_url_config(FunctionName="job", AuthType="NONE")["FunctionUrl"]
    with contextlib.closing(FunctionUrlProxy(url, account.engine.endpoint, 0)) as opened:
        yield opened


def ask(
    proxy: FunctionUrlProxy, method: str, target: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> Any:
    connection = http.client.HTTPConnection(urlsplit(proxy.url).netloc, timeout=10)
    connection.putrequest(method, target, skip_accept_encoding=True)
    for name, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
        connection.putheader(name, value)
    connection.endheaders(body)
    answer = connection.getresponse()
    return answer, answer.read()


@pytest.mark.parametrize(
    "target", ["/", "//", "/a%2Fb", "/..%2f..%2Fetc", "/a/../b", "/%00", "/caf%C3%A9", "/a+b", "/@plugin%3Ajob"]
)
def test_a_path_arrives_as_it_was_sent(proxy: FunctionUrlProxy, target: str) -> None:
    _, body = ask(proxy, "GET", target)
    event = json.loads(body)
    assert event["rawPath"] == target
    assert event["requestContext"]["http"]["path"] == target


def test_a_query_arrives_as_it_was_sent(proxy: FunctionUrlProxy) -> None:
    _, body = ask(proxy, "GET", "/x?a=1%202&b=%26&a=3")
    event = json.loads(body)
    assert event["rawQueryString"] == "a=1%202&b=%26&a=3"
    assert event["queryStringParameters"] == {"a": "1 2,3", "b": "&"}


def test_method_headers_and_body_arrive(proxy: FunctionUrlProxy) -> None:
    _, body = ask(proxy, "POST", "/x", b'{"a": 1}', {"Authorization": "Bearer x", "Content-Type": "application/json"})
    event = json.loads(body)
    assert event["requestContext"]["http"]["method"] == "POST"
    assert event["headers"]["authorization"] == "Bearer x"
    assert event["body"] == '{"a": 1}'


def test_status_headers_and_body_come_back(proxy: FunctionUrlProxy) -> None:
    answer, body = ask(proxy, "GET", "/teapot")
    assert (answer.status, answer.headers["X-Kind"], body) == (418, "pot", b"short and stout")


def test_a_body_beyond_lambdas_limit_is_refused(proxy: FunctionUrlProxy) -> None:
    answer, _ = ask(proxy, "POST", "/x", headers={"Content-Length": str(MAX_BODY + 1)})
    assert answer.status == 413


def test_a_proxy_uses_another_port_if_its_own_is_in_use(account: Account) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with contextlib.closing(
            FunctionUrlProxy("https://x.lambda-url.us-east-1.on.aws/", account.engine.endpoint, port)
        ) as proxy:
            assert urlsplit(proxy.url).port not in (None, port)


def test_an_ended_engine_is_a_bad_gateway() -> None:
    with contextlib.closing(
        FunctionUrlProxy("https://x.lambda-url.us-east-1.on.aws/", "http://127.0.0.1:1", 0)
    ) as proxy:
        assert ask(proxy, "GET", "/")[0].status == 502
