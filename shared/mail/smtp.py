"""Other relays through SMTP: one connection for many messages."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from shared.aws import secrets
from shared.mail import reply, seven_bit
from shared.mail.message import DeliveryUnknown, Mail, MailRefused, RefusalKind
from shared.mail.mime import recipient, render, sender_address
from shared.mail.reply import SESSION, Stage
from shared.mail.route import SECRET, Route
from shared.text.untrusted_json import parse_json
from shared.text.whole_number import is_whole_number

if TYPE_CHECKING:
    from smtplib import SMTP

    from shared.aws.cloud import Cloud
    from shared.text.mail_address import MailAddress

# Seconds to connect, and for each reply.
TIMEOUT_SECONDS = 10
# Seconds for the reply to a whole message: relays scan it first. RFC 5321 recommends more than a run has.
END_TIMEOUT_SECONDS = 20
GO_AHEAD = 354
LINE_END = re.compile(rb"\r\n|\r|\n")
LEADING_DOT = re.compile(rb"(?m)^\.")
SIZE = re.compile(r"[0-9]{1,15}")
# Bytes of an answer that comes before the end of the message.
EARLY = 1024


class Smtp:
    """One SMTP connection.

    Opened at the first message, and again after it was lost between two messages. repeats: raise MailRefused for a
    message without an answer.
    """

    def __init__(self, cloud: Cloud, route: Route, sender: str, repeats: bool = False) -> None:
        self.cloud = cloud
        self.route = route
        self.sender = sender
        self.repeats = repeats
        self._server: SMTP | None = None
        self._stage = Stage.CONNECT
        self._sending = False

    def send(self, mail: Mail, key: str) -> str:
        message = render(mail, key, self.cloud.clock.now(), self.sender)
        _, sender = sender_address(mail.sender or self.sender)
        return self._transmit(sender, [recipient(one) for one in mail.to], message.as_bytes())

    def forward(self, message: bytes, to: str) -> str:
        _, sender = sender_address(self.sender)
        return self._transmit(sender, [recipient(to)], message)

    def close(self) -> None:
        if self._server is not None:
            # The connection is dropped anyway; a failed QUIT has no effect.
            with suppress(Exception):
                self._server.quit()
            self._drop()

    def _transmit(self, sender: MailAddress, to: Sequence[MailAddress], message: bytes) -> str:
        # Some relays end a line at a lone CR or LF, others do not: the text after it could pass for another message
        # (SMTP smuggling).
        message = LINE_END.sub(b"\r\n", message)
        self._sending = False
        try:
            body = self._mail(sender, to, message)
            for one in to:
                self._command(Stage.RCPT, f"RCPT TO:<{one}>")
            self._command(Stage.DATA, "DATA", GO_AHEAD)
            return self._data(body)
        except MailRefused:
            self._reset()
            raise
        except DeliveryUnknown as unknown:
            self._drop()
            if self.repeats:
                raise unknown.repeated() from unknown
            raise
        except Exception as error:
            self._drop()
            raise self._interrupted(error) from error
        except BaseException:
            # The dialogue was cut off in the middle: no later message may use this connection.
            self._drop()
            raise

    def _mail(self, sender: MailAddress, to: Sequence[MailAddress], message: bytes) -> bytes:
        """Begin a message. Returns it as this relay accepts it."""
        for _ in range(2):
            reused = self._server is not None
            server = self._server = self._server or self._connected()
            body, options = self._fit(server, message, to)
            try:
                self._command(Stage.MAIL, f"MAIL FROM:<{sender}>{options}")
            except MailRefused as refused:
                if not (reused and refused.closing):
                    raise
            except OSError:
                if not reused:
                    raise
            else:
                return body
            # The server has closed the idle connection; nothing of this message was sent on it.
            self._drop()
        raise AssertionError("a new connection is not an idle one")

    def _fit(self, server: SMTP, message: bytes, to: Sequence[MailAddress]) -> tuple[bytes, str]:
        """The message as the relay accepts it, and parameters of MAIL FROM.

        The parameters announce the form of the message.
        """
        offered = server.esmtp_features if server.does_esmtp else {}
        international = not all(one.is_ascii for one in to)
        if international and not {"smtputf8", "8bitmime"} <= offered.keys():
            one = next(str(one) for one in to if not one.is_ascii)
            reason = f"{one!r:.80} is no address that mail can be sent to by {self.route.host}: it lacks SMTPUTF8"
            raise MailRefused(reason, RefusalKind.RECIPIENT)
        server.command_encoding = "utf-8" if international else "ascii"
        if seven_bit.has_long_lines(message) or ("8bitmime" not in offered and seven_bit.needs_eight_bits(message)):
            message = seven_bit.in_seven_bits(message)
        elif not international:
            message = seven_bit.ascii_headers(message)
        options = " SMTPUTF8" if international else ""
        if international or ("8bitmime" in offered and seven_bit.needs_eight_bits(message)):
            options += " BODY=8BITMIME"
        if "size" not in offered:
            return message, options
        limit = int(offered["size"]) if SIZE.fullmatch(offered["size"]) else 0
        if 0 < limit < len(message):
            reason = f"the message has {len(message):,} bytes, and {self.route.host} accepts {limit:,}"
            raise MailRefused(reason, RefusalKind.RECIPIENT)
        return message, f"{options} SIZE={len(message)}"

    def _command(self, stage: Stage, command: str, expected: int | None = None) -> None:
        """Send a command. Raises MailRefused for a negative answer."""
        assert self._server is not None
        self._stage = stage
        code, answer = self._server.docmd(command)
        if code != expected and (expected is not None or not 200 <= code < 300):
            raise reply.refused(self.route.host, stage, code, answer)

    def _data(self, body: bytes) -> str:
        """Send the message and its final dot.

        Until the dot is sent, the relay cannot have accepted anything; from then on only its answer decides.
        """
        server = self._server
        assert server is not None
        assert server.sock is not None
        self._stage, self._sending = Stage.END, True
        server.send(LEADING_DOT.sub(b"..", body) + (b"" if body.endswith(b"\r\n") else b"\r\n"))
        self._require_open(server)
        server.sock.settimeout(END_TIMEOUT_SECONDS)
        server.send(b".\r\n")
        try:
            code, answer = server.getreply()
            server.sock.settimeout(TIMEOUT_SECONDS)
        except Exception as error:
            reason = f"{self.route.host} did not answer after the message: {type(error).__name__}: {error}"
            raise DeliveryUnknown(reason) from error
        if 400 <= code < 600:
            raise reply.refused(self.route.host, Stage.END, code, answer)
        if not 200 <= code < 300:
            raise DeliveryUnknown(f"{self.route.host} answered after the message: {code} {answer[:80]!r}")
        return answer.decode(errors="replace")

    def _require_open(self, server: SMTP) -> None:
        """Raise if the relay has hung up or answered within the message.

        Sending a small message succeeds even then: it fits into the buffers of the connection.
        """
        import ssl

        assert server.sock is not None
        server.sock.settimeout(0)
        try:
            early = server.sock.recv(EARLY)
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        finally:
            server.sock.settimeout(TIMEOUT_SECONDS)
        if not is_whole_number(early[:3].decode(errors="replace")):
            raise ConnectionResetError("the connection was lost before the end of the message")
        self._drop()
        raise reply.refused(self.route.host, Stage.END, int(early[:3]), early[4:])

    def _reset(self) -> None:
        """Make the connection ready for the next message, or drop it."""
        if self._server is None:
            return
        try:
            code, _ = self._server.rset()
        except Exception:  # noqa: BLE001 - the refusal of the message is known, whatever the connection does now
            code = 0
        if not 200 <= code < 300:
            self._drop()

    def _drop(self) -> None:
        if self._server is not None:
            with suppress(Exception):
                self._server.close()
            self._server = None

    def _interrupted(self, error: Exception) -> MailRefused:
        """The refusal for a dialogue that broke off: nothing was accepted."""
        code, answer = getattr(error, "smtp_code", None), getattr(error, "smtp_error", b"")
        text = str(error)
        if code is not None:
            text = f"{code} {answer.decode(errors='replace') if isinstance(answer, bytes) else answer}"
        reason = f"{self.route.host}: {type(error).__name__}: {text}"
        if self._sending:
            return MailRefused(f"{reason}; nothing was accepted", RefusalKind.TEMPORARY)
        if code is not None:
            refusal = reply.classify(self._stage, code, text)
            return MailRefused(reason, refusal.kind, affects_all=refusal.affects_all, wait=refusal.wait)
        affects_all = self._stage in (*SESSION, Stage.MAIL)
        return MailRefused(reason, RefusalKind.DEFERRED, affects_all=affects_all)

    def _connected(self) -> SMTP:
        import smtplib
        import ssl

        host, port = self.route.host, self.route.port
        self._stage = Stage.CONNECT
        if self.route.scheme == "smtps":
            tls = ssl.create_default_context()
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_SECONDS, context=tls)
        else:
            server = smtplib.SMTP(host, port, timeout=TIMEOUT_SECONDS)
        try:
            self._stage = Stage.EHLO
            server.ehlo_or_helo_if_needed()
            if self.route.scheme == "smtp":
                self._stage = Stage.STARTTLS
                # Raises where the relay does not offer STARTTLS: nothing is sent unencrypted.
                server.starttls(context=ssl.create_default_context())
                server.ehlo_or_helo_if_needed()
            self._stage = Stage.AUTH
            login = self._login()
            if login:
                server.login(*login)
            assert server.sock is not None
            # The final dot is sent by itself: it must not wait for the acknowledgement of the message.
            server.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            server.close()
            raise
        return server

    def _login(self) -> tuple[str, str] | None:
        try:
            login = parse_json(secrets.read(self.cloud, SECRET))
            return login["user"], login["password"]
        except secrets.NoSecret:
            return None
        except (ValueError, KeyError, TypeError):
            reason = f"the secret {self.cloud.names.secret(SECRET)} is not JSON with user and password"
            raise MailRefused(reason, RefusalKind.SENDER, affects_all=True) from None
