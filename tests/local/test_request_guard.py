"""Requests of web pages are refused by every kind of listener, over real sockets."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from local.clients import client
from local.demo import site as demo_site
from local.engine import emulator
from local.engine.credential import FILE, instance_token
from local.engine.embedded import Embedded
from local.function_urls import FunctionUrlProxy
from local.request_guard import TOKEN
from local.services.smtp_server import SmtpServer, stored_mails
from local.services.webhook_receiver import WebhookReceiver
from tests.local.conftest import Account

ECHO = """
    import json

    def handle(event, context):
        headers = {"Access-Control-Allow-Origin": "*", "X-Kind": "echo"}
        return {"statusCode": 200, "headers": headers, "body": json.dumps(event["headers"])}
"""
LISTENERS = ("engine", "function URL", "door", "receiver", "demo site")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND")


@dataclass(frozen=True)
class Listener:
    """A listener. own: headers that it always requires."""

    address: str
    path: str
    own: Mapping[str, str]

    @property
    def port(self) -> str:
        return self.address.rpartition(":")[2]

    def ask(self, method: str, headers: Mapping[str, str], body: bytes = b"") -> http.client.HTTPResponse:
        sent = {"Host": self.address, "Content-Length": str(len(body)), **self.own, **headers}
        with contextlib.closing(http.client.HTTPConnection(self.address, timeout=20)) as connection:
            connection.putrequest(method, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in sent.items():
                # Empty: the header is left out.
                if value:
                    connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            answer.read()
        return answer


@pytest.fixture
def listener(request: pytest.FixtureRequest, account: Account, tmp_path: Path) -> Iterator[Listener]:
    engine, token = urlsplit(account.engine.endpoint).netloc, {TOKEN: account.engine.token}
    with contextlib.ExitStack() as closing:
        match request.param:
            case "engine":
                yield Listener(engine, "/_local/processes", token)
            case "function URL":
                yield Listener(engine, f"/_aws/lambda-url/{urlsplit(_function_url(account)).netloc.split('.')[0]}/", {})
            case "door":
                door = closing.enter_context(
                    contextlib.closing(FunctionUrlProxy(_function_url(account), f"http://{engine}", 0))
                )
                yield Listener(urlsplit(door.url).netloc, "/", {})
            case "receiver":
                receiver = closing.enter_context(WebhookReceiver(tmp_path / "webhooks.jsonl"))
                yield Listener(urlsplit(receiver.url).netloc, "/", {})
            case _:
                site = demo_site.start()
                closing.callback(site.stop)
                yield Listener(site.hosts[0], "/", {})


def _function_url(account: Account) -> str:
    account.function(ECHO)
    made = account.client("lambda").create_function_url_config(FunctionName="job", AuthType="NONE")
    return str(made["FunctionUrl"])


def refused(at: Listener) -> Iterator[dict[str, str]]:
    """Browser headers of each attack from a web page on a loopback listener."""
    name = f"http://{at.address}"
    for origin in (
        "https://attacker.example",
        "null",
        "http://127.0.0.1:1",
        "http://127.0.0.1",
        f"https://{at.address}",
        f"http://localhost:{at.port}",
        f"{name}.attacker.example",
        f"{name}@attacker.example",
        f"{name}/",
        "file://",
    ):
        yield {"Origin": origin}
    for site in ("cross-site", "same-site", "Cross-Site", "unheard-of"):
        yield {"Sec-Fetch-Site": site}
        # Both headers: neither compensates for the other.
        yield {"Sec-Fetch-Site": site, "Origin": name}
    yield {"Sec-Fetch-Site": "same-origin", "Origin": "https://attacker.example"}
    for host in (
        "attacker.example",
        f"attacker.example:{at.port}",
        f"127.0.0.1.attacker.example:{at.port}",
        f"attacker.localhost:{at.port}",
        f"localhost.:{at.port}",
        f"0.0.0.0:{at.port}",
        f"127.0.0.1@attacker.example:{at.port}",
        "127.0.0.1:٣",
        "",
    ):
        # After DNS rebinding, page and listener have the same origin for the browser.
        yield {"Host": host.encode().decode("latin-1"), "Sec-Fetch-Site": "same-origin"}
    preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Private-Network": "true"}
    yield {"Origin": "https://attacker.example", **preflight}
    yield {"Origin": name, **preflight}


@pytest.mark.parametrize("listener", LISTENERS, indirect=True)
def test_a_page_of_another_origin_is_refused_whatever_the_method(listener: Listener) -> None:
    passed = []
    for method in METHODS:
        for headers in refused(listener):
            answer = listener.ask(method, headers, b'{"a": 1}' if method in ("POST", "PUT", "PATCH") else b"")
            if answer.status not in (400, 403) or cors(answer.headers):
                passed.append((method, headers, answer.status, cors(answer.headers)))
    assert passed == []


@pytest.mark.parametrize("listener", LISTENERS, indirect=True)
def test_programs_and_the_address_bar_and_its_own_pages_are_served(listener: Listener) -> None:
    # The receiver accepts POST only.
    method = "GET" if listener.own else "POST"
    for headers in (
        {},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "same-origin", "Origin": f"http://{listener.address}"},
        {"Host": f"localhost:{listener.port}", "Origin": f"http://localhost:{listener.port}"},
        {"Host": f"LocalHost:{listener.port}", "Origin": f"http://localhost:{listener.port}"},
        {"Host": f"[::1]:{listener.port}"},
    ):
        assert listener.ask(method, headers).status not in (400, 403), headers


@pytest.mark.parametrize("listener", ["function URL", "door"], indirect=True)
def test_a_functions_response_has_no_cors_header_even_of_its_own(listener: Listener) -> None:
    answer = listener.ask("GET", {})
    assert (answer.status, answer.headers["X-Kind"]) == (200, "echo")
    assert cors(answer.headers) == []


def test_no_response_of_the_engine_has_a_cors_header(account: Account) -> None:
    account.client("s3").create_bucket(Bucket="open")
    for answer in (account.client("sqs").list_queues(), account.client("s3").list_objects_v2(Bucket="open")):
        assert cors(answer["ResponseMetadata"]["HTTPHeaders"]) == []


def cors(headers: Iterable[str]) -> list[str]:
    return [name for name in headers if name.lower().startswith("access-control-")]


def test_all_values_of_a_repeated_header_are_checked(account: Account) -> None:
    host = urlsplit(account.engine.endpoint).netloc
    pairs = [("Host", host), (TOKEN, account.engine.token)]
    ask = Raw(account.engine).status
    assert ask(pairs) == 200
    assert ask([*pairs, ("Host", "attacker.example")]) in (400, 403)
    assert ask([*pairs, ("Origin", f"http://{host}"), ("Origin", "null")]) == 403
    assert ask([*pairs, ("Sec-Fetch-Site", "none"), ("Sec-Fetch-Site", "cross-site")]) == 403


@dataclass(frozen=True)
class Raw:
    engine: Embedded

    def status(self, headers: list[tuple[str, str]], target: str = "/_local/processes", method: str = "GET") -> int:
        """Status of the response to exactly these lines."""
        where = urlsplit(self.engine.endpoint)
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers), "", ""]
        with socket.create_connection((str(where.hostname), int(where.port or 0)), timeout=10) as connection:
            connection.sendall("\r\n".join(lines).encode("latin-1"))
            return int(connection.makefile("rb").readline().split()[1])


def test_a_websocket_is_refused(account: Account) -> None:
    gateway = account.client("apigatewayv2")
    made = gateway.create_api(Name="open", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action")
    gateway.create_stage(ApiId=made["ApiId"], StageName="live")
    upgrade = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        TOKEN: account.engine.token,
    }
    host, key = urlsplit(account.engine.endpoint).netloc, "dGhlIHNhbXBsZSBub25jZQ=="
    headers = [("Host", host), *upgrade.items(), ("Sec-WebSocket-Key", key)]
    assert Raw(account.engine).status(headers, f"/_aws/execute-api/{made['ApiId']}/live") == 403


@pytest.mark.parametrize("given", [None, "", "wrong"])
@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("POST", "/2015-03-31/functions"),
        ("GET", "/2015-03-31/functions"),
        ("PUT", "/bucket/key"),
        ("GET", "/bucket/key?X-Amz-Credential=000000000000/20260101/us-east-1/s3/aws4_request&X-Amz-Signature=0"),
        ("GET", "/bucket/key?X-Amz-Security-Token=wrong"),
        ("GET", "/?Action=ListQueues"),
        ("GET", "/_local/processes"),
        ("POST", "/_local/roles"),
        ("POST", "/_ministack/reset"),
        ("GET", "/_ministack/health"),
        ("GET", "/_localstack/health"),
        ("GET", "/_aws/sqs/messages"),
        ("GET", "/_aws/lambda-url"),
        ("GET", "//_aws/lambda-url/x"),
        ("OPTIONS", "/"),
    ],
)
def test_the_engine_refuses_requests_without_the_token_of_the_instance(
    engine: Embedded, method: str, target: str, given: str | None
) -> None:
    headers = [("Host", urlsplit(engine.endpoint).netloc), *([] if given is None else [(TOKEN, given)])]
    signed = ("Authorization", "AWS4-HMAC-SHA256 Credential=000000000000/20260101/us-east-1/sts/aws4_request")
    assert Raw(engine).status(headers, target, method) == 403
    assert Raw(engine).status([*headers, signed], target, method) == 403


def test_a_client_of_another_local_cloud_is_refused_with_the_reason(engine: Embedded) -> None:
    with pytest.raises(ClientError, match="No session token of this local cloud"):
        client("dynamodb", engine.endpoint, "of another").list_tables()


def test_a_presigned_url_works_by_itself_and_not_without_its_token(account: Account) -> None:
    store = account.client("s3")
    store.create_bucket(Bucket="things")
    store.put_object(Bucket="things", Key="one", Body=b"two")
    url = urlsplit(store.generate_presigned_url("get_object", Params={"Bucket": "things", "Key": "one"}))
    cut = "&".join(pair for pair in url.query.split("&") if not pair.lower().startswith(TOKEN))
    assert cut != url.query
    own = Listener(url.netloc, f"{url.path}?{url.query}", {})
    assert own.ask("GET", {}).status == 200
    assert own.ask("GET", {"Origin": "null"}).status == 403
    assert Listener(url.netloc, f"{url.path}?{cut}", {}).ask("GET", {}).status == 403


def test_a_session_of_an_assumed_role_is_served_with_its_token_until_it_expires(account: Account) -> None:
    issued = account.client("sts").assume_role(
        RoleArn=account.arn("iam", "role/any").replace("us-east-1", ""), RoleSessionName="cdk"
    )["Credentials"]
    where = account.engine.endpoint
    assert client("sqs", where, issued["SessionToken"], issued["AccessKeyId"]).list_queues()
    with pytest.raises(ClientError, match="No session token"):
        client("dynamodb", where, f"{issued['SessionToken']}x", issued["AccessKeyId"]).list_tables()
    emulator.service("sts")._sessions[issued["AccessKeyId"]]["Expiration"] = 0
    with pytest.raises(ClientError, match="No session token"):
        client("dynamodb", where, issued["SessionToken"], issued["AccessKeyId"]).list_tables()


def test_a_function_calls_the_engine_with_the_token(account: Account) -> None:
    account.function("import boto3\ndef handle(event, context): return boto3.client('sqs').list_queues()")
    assert account.invoke()["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_the_token_is_kept_for_its_user_alone_and_differs_from_one_instance_to_the_next(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    before = os.umask(0)
    try:
        one, two = map(instance_token, folders)
    finally:
        os.umask(before)
    assert one != two
    assert min(len(one), len(two)) >= 43
    file = folders[0] / FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    # Wider permissions, such as after a copy, are removed.
    file.chmod(0o644)
    assert instance_token(folders[0]) == one
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "get"])
def test_a_page_cannot_send_mail_by_a_request_to_the_mail_server(tmp_path: Path, method: str) -> None:
    mail = b"EHLO a\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\nSubject: x\r\n\r\nx\r\n.\r\n"
    with SmtpServer(tmp_path / "mail") as box:
        assert b"250 stored" in _exchange(box.port, mail)
        head = f"{method} / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
        assert b"250" not in _exchange(box.port, head + mail)
        assert len(list(stored_mails(tmp_path / "mail"))) == 1


def _exchange(port: int, sent: bytes) -> bytes:
    """Everything received until the connection ends."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        answered = b""
        with contextlib.suppress(ConnectionError):
            while data := connection.recv(4096):
                answered += data
        return answered
