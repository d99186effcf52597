"""Dialogues with relays: what breaks off where, and which form of a message each relay is given."""

from __future__ import annotations

import socket
from email import message_from_bytes, policy
from functools import partial

import pytest

from shared.aws.cloud import Cloud
from shared.mail.message import DeliveryUnknown, Mail, MailRefused, RefusalKind
from shared.mail.route import Route
from shared.mail.smtp import Smtp
from tests.support.raw_smtp import RawSmtp

MAIL = Mail(("ada@home.example",), "Grüße", "Grüße aus Köln.\n", html="<p>Grüße aus Köln.</p>")
RAW = (
    "From: shop@in.example\r\nSubject: Grüße\r\nTo: Jörg <jörg@bücher.example>\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n\r\nGrüße.\r\n"
).encode()
ASCII = b"Subject: hi\r\n\r\n.hello\r\n"


def relay_to(cloud: Cloud, server: RawSmtp, sender: str = "post@in.example") -> Smtp:
    return Smtp(cloud, Route("smtp+plain", "127.0.0.1", server.port), sender)


def refusal(relay: Smtp, to: str = "ada@home.example") -> MailRefused:
    with pytest.raises(MailRefused) as error:
        relay.forward(ASCII, to)
    return error.value


@pytest.mark.parametrize("stage", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("answer", ["421 4.3.2 closing", "451 4.3.0 later"])
def test_a_relay_that_is_away_makes_no_attempt(cloud: Cloud, stage: str, answer: str) -> None:
    with RawSmtp(answers={stage: answer, "HELO": answer}) as server:
        refused = refusal(relay_to(cloud, server))
    assert (refused.kind, refused.is_attempt) == (RefusalKind.DEFERRED, False)


@pytest.mark.parametrize("stage", ["CONNECT", "EHLO", "MAIL", "RCPT"])
def test_a_connection_that_is_lost_before_the_message_makes_no_attempt(cloud: Cloud, stage: str) -> None:
    with RawSmtp(hangs_up=stage) as server:
        assert refusal(relay_to(cloud, server)).kind is RefusalKind.DEFERRED


def test_a_relay_that_is_not_there_makes_no_attempt(cloud: Cloud) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    refused = refusal(Smtp(cloud, Route("smtp+plain", "127.0.0.1", port), "post@in.example"))
    assert (refused.kind, refused.affects_all) == (RefusalKind.DEFERRED, True)


@pytest.mark.parametrize(
    "answer", ["530 5.7.0 Authentication required", "550 no", "553 5.1.8 who", "501 what", "525 x"]
)
def test_an_answer_to_mail_from_refuses_the_sender_and_no_recipient(cloud: Cloud, answer: str) -> None:
    with RawSmtp(answers={"MAIL": answer}) as server:
        refused = refusal(relay_to(cloud, server))
    assert (refused.kind, refused.affects_all, refused.is_attempt) == (RefusalKind.SENDER, True, False)


@pytest.mark.parametrize("hangs_up", ["", "RCPT"])
def test_a_refused_recipient_is_refused_also_by_a_relay_that_hangs_up(cloud: Cloud, hangs_up: str) -> None:
    with RawSmtp(answers={"RCPT": ["550 5.1.1 no such user", "250 OK"]}, hangs_up=hangs_up) as server:
        relay = relay_to(cloud, server)
        assert refusal(relay).kind is RefusalKind.RECIPIENT
        server.hangs_up = ""
        assert relay.forward(ASCII, "bob@home.example") == "taken"


@pytest.mark.parametrize("step", ["DATA", "END"])
def test_a_refused_message_is_refused_also_by_a_relay_that_hangs_up(cloud: Cloud, step: str) -> None:
    with RawSmtp(answers={step: ["554 5.7.1 spam", "250 taken"]}, hangs_up=step) as server:
        assert refusal(relay_to(cloud, server)).kind is RefusalKind.RECIPIENT


@pytest.mark.parametrize("size", [20, 8 * 1024 * 1024])
def test_a_connection_that_is_lost_in_the_message_has_delivered_nothing(cloud: Cloud, size: int) -> None:
    """The relay may hang up before or after the small message is on its way, which is why two errors are right."""
    message = b"Subject: x\r\n\r\n" + b"0123456789abcdef\r\n" * (size // 18)
    with RawSmtp(hangs_up="body") as server, pytest.raises((MailRefused, DeliveryUnknown)) as error:
        relay_to(cloud, server).forward(message, "ada@home.example")
    if size > 1024 * 1024:
        assert isinstance(error.value, MailRefused)
        assert error.value.kind is RefusalKind.TEMPORARY


def test_a_relay_that_refuses_in_the_middle_of_the_message_has_not_accepted_it(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = socket.socketpair()
    there.sendall(b"552 5.3.4 too large\r\n")

    class Server:
        sock = here
        esmtp_features: dict[str, str]

        def close(self) -> None:
            here.close()

    relay = Smtp(cloud, Route("smtp+plain", "127.0.0.1", 1), "post@in.example")
    with pytest.raises(MailRefused, match="552") as error:
        relay._require_open(Server())  # type: ignore[arg-type]
    assert error.value.kind is RefusalKind.RECIPIENT
    there.close()


def test_a_relay_that_hung_up_in_the_message_is_noticed_before_the_final_dot(cloud: Cloud) -> None:
    here, there = socket.socketpair()
    there.close()

    class Server:
        sock = here

    relay = Smtp(cloud, Route("smtp+plain", "127.0.0.1", 1), "post@in.example")
    with pytest.raises(ConnectionResetError):
        relay._require_open(Server())  # type: ignore[arg-type]
    here.close()


@pytest.mark.parametrize("way", [{"hangs_up": "dot"}, {"answers": {"END": "what?"}}, {"answers": {"END": "354 more"}}])
def test_a_missing_answer_to_the_final_dot_leaves_the_outcome_unknown(cloud: Cloud, way: dict[str, object]) -> None:
    with RawSmtp(**way) as server, pytest.raises(DeliveryUnknown):  # type: ignore[arg-type]
        relay_to(cloud, server).forward(ASCII, "ada@home.example")


def test_a_connection_that_the_relay_ended_with_421_is_opened_again(cloud: Cloud) -> None:
    with RawSmtp(answers={"MAIL": ["250 OK", "421 4.4.2 too many messages on this connection", "250 OK"]}) as server:
        relay = relay_to(cloud, server)
        for _ in range(2):
            assert relay.forward(ASCII, "ada@home.example") == "taken"
        assert server.connections == 2


@pytest.mark.parametrize("offers", [(), ("8BITMIME",), ("8BITMIME", "SMTPUTF8"), ("SIZE 100000",)])
def test_our_own_mail_is_ascii_for_every_relay(cloud: Cloud, offers: tuple[str, ...]) -> None:
    with RawSmtp(offers) as server:
        relay_to(cloud, server).send(MAIL, "k1")
    [message] = server.messages
    assert message.isascii()
    found = message_from_bytes(message, policy=policy.default)
    assert found["Subject"] == "Grüße"
    assert [part.get_content().strip() for part in found.iter_parts()] == ["Grüße aus Köln.", "<p>Grüße aus Köln.</p>"]


@pytest.mark.parametrize(
    ("offers", "parameters", "eight_bits"),
    [((), "", False), (("8BITMIME",), " BODY=8BITMIME", True), (("SMTPUTF8", "8BITMIME"), " BODY=8BITMIME", True)],
)
def test_a_forwarded_message_is_announced_or_encoded(
    cloud: Cloud, offers: tuple[str, ...], parameters: str, eight_bits: bool
) -> None:
    with RawSmtp(offers) as server:
        relay_to(cloud, server).forward(RAW, "ada@home.example")
    assert f"MAIL FROM:<post@in.example>{parameters}" in server.commands
    [message] = server.messages
    head, _, body = message.partition(b"\r\n\r\n")
    assert head.isascii()
    assert body.isascii() is not eight_bits
    found = message_from_bytes(message, policy=policy.default)
    assert (found["Subject"], found.get_content().strip()) == ("Grüße", "Grüße.")


def test_an_address_outside_ascii_needs_smtputf8(cloud: Cloud) -> None:
    with RawSmtp(("SMTPUTF8", "8BITMIME")) as server:
        relay_to(cloud, server).forward(RAW, "jörg@bücher.example")
        relay_to(cloud, server).send(Mail(("jörg@bücher.example",), "s", "t"), "k1")
    assert server.commands.count("MAIL FROM:<post@in.example> SMTPUTF8 BODY=8BITMIME") == 2
    assert server.commands.count("RCPT TO:<jörg@xn--bcher-kva.example>") == 2
    assert server.messages[0] == RAW
    assert "To: jörg@xn--bcher-kva.example".encode() in server.messages[1]


@pytest.mark.parametrize("offers", [(), ("8BITMIME",), ("SMTPUTF8",)])
def test_an_address_outside_ascii_is_refused_where_the_relay_lacks_an_extension(
    cloud: Cloud, offers: tuple[str, ...]
) -> None:
    with RawSmtp(offers) as server:
        relay = relay_to(cloud, server)
        assert refusal(relay, "jörg@bücher.example").kind is RefusalKind.RECIPIENT
        assert relay.forward(ASCII, "ada@home.example") == "taken"


@pytest.mark.parametrize(
    ("size", "kind"), [("10", RefusalKind.RECIPIENT), ("1000", None), ("0", None), ("", None), ("x", None), ("٣", None)]
)
def test_a_message_that_is_larger_than_the_relay_accepts_is_not_sent(
    cloud: Cloud, size: str, kind: RefusalKind | None
) -> None:
    with RawSmtp((f"SIZE {size}".strip(),)) as server:
        if kind:
            assert refusal(relay_to(cloud, server)).kind is kind
            assert server.messages == []
        else:
            relay_to(cloud, server).forward(ASCII, "ada@home.example")
            assert f"MAIL FROM:<post@in.example> SIZE={len(ASCII)}" in server.commands


def test_dots_and_line_ends_arrive_as_they_are(cloud: Cloud) -> None:
    with RawSmtp() as server:
        relay_to(cloud, server).forward(b"Subject: x\n\n.\n..\r.x", "ada@home.example")
    assert server.messages == [b"Subject: x\r\n\r\n..\r\n...\r\n..x\r\n"]


@pytest.mark.parametrize("sender", ["post@bücher.example", "Größe <post@faß.example>"])
def test_domains_are_in_ascii_in_headers_and_envelope(cloud: Cloud, sender: str) -> None:
    mail = Mail(("ada@bücher.example", "bob@straße.example"), "s", "t", reply_to="Ask <ask@bücher.example>")
    with RawSmtp() as server:
        relay_to(cloud, server, sender).send(mail, "k1")
    head = server.messages[0].partition(b"\r\n\r\n")[0].decode("ascii")
    assert "To: ada@xn--bcher-kva.example, bob@xn--strae-oqa.example" in head.replace("\r\n ", " ")
    assert "Reply-To: Ask <ask@xn--bcher-kva.example>" in head
    assert "@=?" not in head
    assert "RCPT TO:<bob@xn--strae-oqa.example>" in server.commands


@pytest.mark.parametrize(
    "to", ["a:b@home.example", "foo(bar)@home.example", "x(y)z@home.example", "A <a@home.example>"]
)
def test_no_part_of_a_recipient_is_dropped(cloud: Cloud, to: str) -> None:
    with RawSmtp() as server:
        relay = relay_to(cloud, server)
        for act in (partial(relay.send, Mail((to,), "s", "t"), "k"), partial(relay.forward, ASCII, to)):
            with pytest.raises(MailRefused, match="is no address that mail can be sent to") as error:
                act()
            assert error.value.permanent
        assert server.commands == []


@pytest.mark.parametrize(
    "sender", ["", "a:b@in.example", "x(y)@in.example", "jörg@in.example", "a@in.example, b@in.example"]
)
def test_an_invalid_sender_refuses_no_recipient(cloud: Cloud, sender: str) -> None:
    with RawSmtp() as server:
        assert refusal(relay_to(cloud, server, sender)).kind is RefusalKind.SENDER
