"""Mail by SMTP, to a real server on loopback, and by SES."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from typing import Any

import pytest
from aiosmtpd.smtp import AuthResult, LoginPassword
from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError

from shared.aws.cloud import Cloud
from shared.deadline import DeadlineExceeded, within
from shared.job.effect import NotPerformed
from shared.mail import relay
from shared.mail.message import DeliveryUnknown, Mail, MailRefused
from shared.mail.route import Route, route
from shared.mail.smtp import Smtp
from tests.support.certificate import Certificate
from tests.support.mailbox import Box, Post
from tests.support.moto_backends import mails

MAIL = Mail(("ada@example.com",), "Grüße", "Hello Ada.", html="<p>Hello Ada.</p>")
FROM = "Postmaster <post@nightshift.example>"
LOGIN = {"user": "nightshift", "password": "correct horse"}


def allowed(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
    assert isinstance(data, LoginPassword)
    good = (data.login, data.password) == (LOGIN["user"].encode(), LOGIN["password"].encode())
    return AuthResult(success=good, handled=False)


@pytest.fixture
def box() -> Box:
    return Box()


@pytest.fixture
def serve(box: Box, certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Route]]:
    """Start a server for a scheme and return its route. The certificate is trusted."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.file))
    post = Post(box, certificate)
    yield post.serve
    post.stop()


def send(cloud: Cloud, way: Route, mail: Mail = MAIL, key: str = "k-1") -> str:
    return relay.open_relay(cloud, way, FROM).send(mail, key)


@pytest.mark.parametrize("scheme", ["smtp", "smtps", "smtp+plain"])
def test_a_mail_arrives_as_it_was_written(cloud: Cloud, box: Box, serve: Callable[..., Route], scheme: str) -> None:
    assert send(cloud, serve(scheme)) == "taken as m-1"
    [mail], [envelope], [session] = box.mails, box.envelopes, box.sessions
    assert (envelope.mail_from, envelope.rcpt_tos) == ("post@nightshift.example", ["ada@example.com"])
    assert (mail["From"], mail["To"], mail["Subject"]) == (FROM, "ada@example.com", "Grüße")
    assert mail["Message-ID"] == "<k-1@nightshift.example>"
    assert mail["Date"] == "Mon, 02 Mar 2026 12:00:00 +0000"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert [part.get_content().strip() for part in mail.iter_parts()] == ["Hello Ada.", "<p>Hello Ada.</p>"]
    assert bool(session.ssl) == (scheme == "smtp")


def test_many_mails_go_over_one_connection(cloud: Cloud, box: Box, serve: Callable[..., Route]) -> None:
    made = relay.open_relay(cloud, serve(), FROM)
    for key in ("k-1", "k-2", "k-3"):
        made.send(MAIL, key)
    assert len({session.peer for session in box.sessions}) == 1
    made.close()


def test_a_connection_that_the_server_closed_is_opened_again(
    cloud: Cloud, box: Box, serve: Callable[..., Route]
) -> None:
    made = Smtp(cloud, serve(), FROM)
    made.send(MAIL, "k-1")
    assert made._server is not None
    made._server.close()
    made.send(MAIL, "k-2")
    assert len(box.mails) == 2


def test_it_logs_in_with_the_user_and_password_of_the_secret(
    cloud: Cloud, box: Box, serve: Callable[..., Route]
) -> None:
    cloud.secrets.create_secret(Name=cloud.names.secret("mail-relay"), SecretString=json.dumps(LOGIN))
    send(cloud, serve(authenticator=allowed, auth_required=True))
    assert box.sessions[0].authenticated


def test_a_wrong_password_is_a_temporary_error_and_nothing_is_sent(
    cloud: Cloud, box: Box, serve: Callable[..., Route]
) -> None:
    wrong = json.dumps({**LOGIN, "password": "tr0ub4dor"})
    cloud.secrets.create_secret(Name=cloud.names.secret("mail-relay"), SecretString=wrong)
    with pytest.raises(MailRefused, match=r"127\.0\.0\.1: SMTPAuthenticationError: 535") as error:
        send(cloud, serve(authenticator=allowed, auth_required=True))
    assert (error.value.permanent, box.mails) == (False, [])
    assert "tr0ub4dor" not in str(error.value)


def test_an_invalid_secret_is_an_error_with_its_name(cloud: Cloud, serve: Callable[..., Route]) -> None:
    cloud.secrets.create_secret(Name=cloud.names.secret("mail-relay"), SecretString="correct horse")
    with pytest.raises(MailRefused, match="secret nightshift/test/mail-relay is not JSON with user and password"):
        send(cloud, serve())


def test_a_secret_that_may_not_be_read_is_an_error_for_all_mail_and_nothing_is_sent(
    cloud: Cloud, box: Box, serve: Callable[..., Route], monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(**_: Any) -> Any:
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "GetSecretValue")

    monkeypatch.setattr(cloud.secrets, "get_secret_value", denied)
    with pytest.raises(MailRefused, match="AccessDeniedException") as error:
        send(cloud, serve())
    assert (error.value.affects_all, error.value.permanent, box.mails) == (True, False, [])


def test_nothing_is_sent_unencrypted_where_tls_is_required(cloud: Cloud, box: Box, serve: Callable[..., Route]) -> None:
    with pytest.raises(MailRefused, match="STARTTLS"):
        send(cloud, serve("smtp", tls_context=None, require_starttls=False))
    assert box.mails == []


def test_nothing_is_sent_to_a_relay_with_a_wrong_certificate(
    cloud: Cloud, box: Box, serve: Callable[..., Route], monkeypatch: pytest.MonkeyPatch
) -> None:
    way = serve()
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(MailRefused, match="certificate verify failed"):
        send(cloud, way)
    assert box.mails == []


@pytest.mark.parametrize(
    ("step", "answer", "permanent"),
    [
        ("MAIL", "451 come back later", False),
        ("MAIL", "553 not from there", False),
        ("ada@example.com", "450 mailbox busy", False),
        ("ada@example.com", "550 no such user", True),
        ("DATA", "452 disk full", False),
        ("DATA", "554 spam", True),
    ],
)
def test_a_refusal_is_permanent_or_temporary_and_the_next_mail_is_sent(
    cloud: Cloud, box: Box, serve: Callable[..., Route], step: str, answer: str, permanent: bool
) -> None:
    made = relay.open_relay(cloud, serve(), FROM)
    box.says[step] = answer
    with pytest.raises(MailRefused, match=answer) as error:
        made.send(MAIL, "k-1")
    assert error.value.permanent is permanent
    assert isinstance(error.value, NotPerformed)
    box.says.clear()
    assert made.send(MAIL, "k-2") == "taken as m-1"


def test_all_recipients_receive_a_mail_or_none(cloud: Cloud, box: Box, serve: Callable[..., Route]) -> None:
    box.says["bob@example.com"] = "550 no such user"
    with pytest.raises(MailRefused):
        send(cloud, serve(), Mail(("ada@example.com", "bob@example.com"), "s", "t"))
    assert box.mails == []


def test_a_connection_lost_after_the_mail_is_no_refusal(cloud: Cloud, box: Box, serve: Callable[..., Route]) -> None:
    box.drops = True
    with pytest.raises(DeliveryUnknown):
        send(cloud, serve())
    assert len(box.mails) == 1


def test_a_late_reply_to_one_mail_is_not_read_as_that_to_the_next(
    cloud: Cloud, box: Box, serve: Callable[..., Route]
) -> None:
    made = relay.open_relay(cloud, serve("smtp+plain"), FROM)
    box.waits = 0.6
    with pytest.raises(DeadlineExceeded), within(0.3):
        made.send(MAIL, "k-1")
    time.sleep(0.6)
    box.waits = 0
    box.says["DATA"] = "250 taken as m-2"
    assert made.send(MAIL, "k-2") == "taken as m-2"


def test_an_unreachable_relay_is_a_refusal(cloud: Cloud) -> None:
    with pytest.raises(MailRefused, match="Connection refused") as error:
        send(cloud, Route("smtp", "127.0.0.1", 1))
    assert not error.value.permanent


@pytest.mark.parametrize(
    "mail",
    [
        Mail((), "s", "t"),
        Mail(("ada@example.com",), "s\r\nBcc: eve@example.com", "t"),
        Mail(("ada@example.com\r\nRCPT TO:<eve@example.com>",), "s", "t"),
        Mail(("ada",), "s", "t"),
        Mail(("ädä@example.com",), "s", "t"),
        Mail(("ada@example.com",), "s", "t", headers={"X-Note": "a\nb"}),
    ],
)
def test_an_invalid_mail_is_refused_permanently(
    cloud: Cloud, box: Box, serve: Callable[..., Route], mail: Mail
) -> None:
    with pytest.raises(MailRefused) as error:
        send(cloud, serve(enable_SMTPUTF8=False), mail)
    assert (error.value.permanent, box.mails) == (True, [])


def test_a_mail_without_a_sender_is_an_error_with_the_setting(cloud: Cloud) -> None:
    with pytest.raises(MailRefused, match="has no sender; set MAIL_FROM"):
        relay.open_relay(cloud, Route("ses"), "").send(MAIL, "k-1")


def test_a_domain_may_be_in_any_script(cloud: Cloud, box: Box, serve: Callable[..., Route]) -> None:
    send(cloud, serve(), Mail(("ada@bücher.example",), "s", "t"))
    assert box.envelopes[0].rcpt_tos == ["ada@xn--bcher-kva.example"]


def test_ses_receives_the_same_mail(cloud: Cloud) -> None:
    ses = mails(cloud)
    ses.verify_domain("nightshift.example")
    assert send(cloud, Route("ses"))
    [sent] = ses.sent_messages
    mail = message_from_bytes(sent.raw_data.encode(), policy=policy.default)
    assert ({*sent.destinations}, mail["Subject"], mail["Message-ID"]) == (
        {"ada@example.com"},
        "Grüße",
        "<k-1@nightshift.example>",
    )


@pytest.mark.parametrize(
    ("code", "status", "permanent"), [("MessageRejected", 400, True), ("TooManyRequestsException", 429, False)]
)
def test_an_error_of_ses_means_that_nothing_was_sent(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, code: str, status: int, permanent: bool
) -> None:
    answer: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    broken(cloud, monkeypatch, ClientError(answer, "SendEmail"))
    with pytest.raises(MailRefused, match=code) as error:
        send(cloud, Route("ses"))
    assert error.value.permanent is permanent


def test_an_unreachable_ses_is_a_refusal(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    broken(cloud, monkeypatch, ConnectTimeoutError(endpoint_url="https://email"))
    with pytest.raises(MailRefused):
        send(cloud, Route("ses"))


@pytest.mark.parametrize(
    "error",
    [
        ReadTimeoutError(endpoint_url="https://email"),
        ClientError({"Error": {"Code": "InternalFailure"}, "ResponseMetadata": {"HTTPStatusCode": 500}}, "SendEmail"),  # type: ignore[typeddict-item]
    ],
)
def test_a_lost_reply_of_ses_is_no_refusal(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    broken(cloud, monkeypatch, error)
    with pytest.raises(DeliveryUnknown, match=type(error).__name__):
        send(cloud, Route("ses"))


def broken(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    class Broken:
        def send_email(self, **_: Any) -> None:
            raise error

    monkeypatch.setitem(cloud.__dict__, "mail", Broken())


def test_ses_and_sns_are_called_once_since_a_repeat_is_a_second_mail(cloud: Cloud) -> None:
    clients: list[Any] = [cloud.mail, cloud.sns]
    for client in clients:
        assert client.meta.config.retries == {"mode": "standard", "total_max_attempts": 1}


@pytest.mark.parametrize(
    ("text", "way"),
    [
        ("ses", Route("ses")),
        ("smtp://relay.example", Route("smtp", "relay.example", 587)),
        ("smtps://relay.example", Route("smtps", "relay.example", 465)),
        ("smtp://relay.example:2525", Route("smtp", "relay.example", 2525)),
        ("smtp+plain://localhost:1025", Route("smtp+plain", "localhost", 1025)),
    ],
)
def test_a_route_is_parsed_from_the_setting(text: str, way: Route) -> None:
    assert route(text) == way


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "use ses"),
        ("relay.example", "use ses"),
        ("https://relay.example", "use ses"),
        ("smtp://", "use ses"),
        ("smtp://ada:secret@relay.example", "credentials"),
        ("smtp+plain://relay.example", "unencrypted"),
        ("smtp://relay.example:port", "Port"),
    ],
)
def test_an_invalid_route_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        route(text)
