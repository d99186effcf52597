"""Connections to DynamoDB: certificates, proxies, and one send for each request."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError, SSLError

from shared.aws.cloud import Cloud
from shared.aws.dynamodb.client import DynamoDb
from shared.aws.dynamodb.transport import Transport, behind_proxy
from shared.aws.names import Names
from tests.support.certificate import Certificate
from tests.support.scripted_dynamodb import endpoint, ok

CONFIG: Any = SimpleNamespace(max_pool_connections=4, connect_timeout=2, read_timeout=2, user_agent="test")


def test_an_unknown_authority_is_refused_and_a_configured_one_accepted(certificate: Certificate) -> None:
    with endpoint(lambda _: ok(Item={}), certificate.server()) as at:
        with pytest.raises(SSLError):
            Transport(at.url + "/", CONFIG, "").send(SIGNED, b"{}")
        answer = Transport(at.url + "/", CONFIG, str(certificate.file)).send(SIGNED, b"{}")
    assert answer.content == b'{"Item": {}}'


def test_head_and_body_are_one_send(monkeypatch: pytest.MonkeyPatch) -> None:
    from urllib3.connection import HTTPConnection

    sent: list[bytes] = []
    send = HTTPConnection.send

    def note(self: HTTPConnection, data: bytes) -> None:
        sent.append(data)
        send(self, data)

    monkeypatch.setattr(HTTPConnection, "send", note)
    with endpoint(lambda _: ok()) as at:
        transport = Transport(at.url + "/", CONFIG, "")
        for _ in range(2):
            transport.send(SIGNED, b'{"a":1}')
    assert len(sent) == 2
    assert all(data.startswith(b"POST / HTTP/1.1\r\n") and data.endswith(b'\r\n\r\n{"a":1}') for data in sent)


def test_a_closed_port_is_an_endpoint_that_cannot_be_reached() -> None:
    with endpoint() as at:
        url = at.url
    with pytest.raises(EndpointConnectionError, match=url):
        Transport(url + "/", CONFIG, "").send(SIGNED, b"{}")


@pytest.mark.parametrize(
    ("names", "proxied"),
    [
        ({}, False),
        ({"HTTPS_PROXY": "http://proxy:3128"}, True),
        ({"HTTP_PROXY": "http://proxy:3128"}, False),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "amazonaws.com"}, False),
    ],
)
def test_behind_a_proxy_the_client_is_boto3s(
    names: dict[str, str], proxied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    for name, value in names.items():
        monkeypatch.setenv(name, value)
    assert behind_proxy("https://dynamodb.us-east-1.amazonaws.com/") is proxied
    cloud = Cloud(Names("test", "123456789012", "us-east-1"), environment={})
    assert isinstance(cloud.bulk, DynamoDb) is not proxied


def test_threads_share_the_connections() -> None:
    with endpoint(lambda _: ok()) as at:
        transport, answers = Transport(at.url + "/", CONFIG, ""), list[int]()

        def call() -> None:
            answers.extend(transport.send(SIGNED, b"{}").status_code for _ in range(20))

        threads = [threading.Thread(target=call) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers == [200] * 160


SIGNED = {"X-Amz-Target": "DynamoDB_20120810.GetItem"}
