"""Mail relays: SES through its API, others through SMTP.

MailRefused means that nothing was sent; after any other error the message may have been sent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, LifoQueue
from typing import TYPE_CHECKING

from shared.aws import secrets
from shared.aws.cloud import not_performed
from shared.deadline import DeadlineExceeded
from shared.job.setting import SettingError
from shared.mail.message import Mail, MailRefused, Relay
from shared.mail.mime import address, render
from shared.mail.route import RELAY, SECRET, SENDER, Route

if TYPE_CHECKING:
    from smtplib import SMTP

    from shared.aws.cloud import Cloud
    from shared.run.context import RunContext

# Seconds to connect, and for each reply.
TIMEOUT_SECONDS = 10
# Errors of SES that a later attempt would meet again.
PERMANENT = ("MessageRejected", "BadRequestException", "NotFoundException", "ValidationException")
# Errors of SES about the account or the request rate, and not about the message.
ACCOUNT_ERRORS = (
    *("TooManyRequestsException", "LimitExceededException", "SendingPausedException", "AccountSuspendedException"),
    *("ThrottlingException", "Throttling", "AccessDeniedException", "MailFromDomainNotVerifiedException"),
)
# Part of SES's message with code MessageRejected for an unverified sender, and for any recipient while the account is
# in the sandbox: `Email address is not verified. The following identities failed the check`.
UNVERIFIED = "is not verified"
ACCEPTED = (250, 251, 252)
# 421: the relay closes the connection.
CLOSING = 421
LINE_END = re.compile(rb"\r\n|\r|\n")


def open_relay(cloud: Cloud, route: Route, sender: str) -> Relay:
    """The relay of a route; it connects at its first message."""
    return Ses(cloud, sender) if route.scheme == "ses" else Smtp(cloud, route, sender)


class RelayPool:
    """A pool of connections, one for each sending thread.

    Safe to share between threads.

    Raises SettingError where no sender is set: no message of the run could be sent.
    """

    def __init__(self, run: RunContext) -> None:
        if not run.setting(SENDER.name):
            raise SettingError(f"{SENDER.name} is empty; set the address that e-mail comes from")
        self.run = run
        self._idle: LifoQueue[Relay] = LifoQueue()

    def __enter__(self) -> RelayPool:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(Empty):
            while True:
                self._idle.get_nowait().close()

    @contextmanager
    def connection(self) -> Iterator[Relay]:
        """Borrow an idle connection, or a new one."""
        try:
            relay = self._idle.get_nowait()
        except Empty:
            relay = open_relay(self.run.cloud, self.run.setting(RELAY.name), self.run.setting(SENDER.name))
        try:
            yield relay
        finally:
            self._idle.put(relay)


class Ses:
    def __init__(self, cloud: Cloud, sender: str) -> None:
        self.cloud = cloud
        self.sender = sender

    def send(self, mail: Mail, key: str) -> str:
        message = render(mail, key, self.cloud.clock.now(), self.sender)
        return self._transmit(str(message["From"]), [address(one) for one in mail.to], message.as_bytes())

    def forward(self, message: bytes, to: str) -> str:
        return self._transmit(address(self.sender), [address(to)], message)

    def _transmit(self, sender: str, to: list[str], body: bytes) -> str:
        try:
            answer = self.cloud.mail.send_email(
                FromEmailAddress=sender,
                Destination={"ToAddresses": to},
                Content={"Raw": {"Data": body}},
            )
        except Exception as error:
            if not not_performed(error):
                raise
            code = getattr(error, "response", {}).get("Error", {}).get("Code", "")
            # An error without a code is about the connection, not about the message.
            affects_all = code in ACCOUNT_ERRORS or not code or UNVERIFIED in str(error)
            raise MailRefused(
                f"SES: {error}", permanent=code in PERMANENT and not affects_all, affects_all=affects_all
            ) from error
        return answer["MessageId"]

    def close(self) -> None:
        """No connection is held open."""


class Smtp:
    """One SMTP connection.

    Opened at the first message, and again after it was lost between two messages.
    """

    def __init__(self, cloud: Cloud, route: Route, sender: str) -> None:
        self.cloud = cloud
        self.route = route
        self.sender = sender
        self._server: SMTP | None = None

    def send(self, mail: Mail, key: str) -> str:
        message = render(mail, key, self.cloud.clock.now(), self.sender)
        return self._transmit(str(message["From"]), mail.to, message.as_bytes())

    def forward(self, message: bytes, to: str) -> str:
        # Some relays end a line at a lone CR or LF, others do not: the text after it could pass for another message
        # (SMTP smuggling).
        return self._transmit(self.sender, (to,), LINE_END.sub(b"\r\n", message))

    def _transmit(self, sender: str, to: Iterable[str], body: bytes) -> str:
        server = self._envelope(address(sender), [address(one) for one in to])
        try:
            code, answer = self._data(server, body)
        except BaseException:
            # Without a reply the message may have been accepted.
            self.close()
            raise
        if code not in ACCEPTED:
            raise self._refusal(code, answer)
        return answer.decode(errors="replace")

    def close(self) -> None:
        if self._server is not None:
            # The connection is dropped anyway; a failed QUIT has no effect.
            with suppress(Exception):
                self._server.quit()
            self._server = None

    def _envelope(self, sender: str, to: list[str]) -> SMTP:
        """A connection that has accepted sender and recipients. Raises MailRefused."""
        from smtplib import SMTPServerDisconnected

        try:
            try:
                server = self._server or self._connected()
                replies = [server.mail(sender)]
            except SMTPServerDisconnected:
                if self._server is None:
                    raise
                # The server closed the idle connection; nothing of this message was sent on it.
                server = self._connected()
                replies = [server.mail(sender)]
            self._server = server
            replies += [server.rcpt(one) for one in to]
            for number, (code, answer) in enumerate(replies):
                if code not in ACCEPTED:
                    server.rset()
                    # The first reply is about the sender, and all messages have the same one.
                    raise self._refusal(code, answer, affects_all=number == 0)
        except MailRefused:
            raise
        except Exception as error:
            # Nothing was sent. The error concerns the connection, and so all messages; it may be temporary.
            self.close()
            reply = getattr(error, "smtp_error", None)
            text = f"{error.args[0]} {reply.decode(errors='replace')}" if isinstance(reply, bytes) else str(error)
            reason = f"{self.route.host}: {type(error).__name__}: {text}"
            raise MailRefused(reason, permanent=False, affects_all=True) from error
        except DeadlineExceeded:
            # The dialogue was cut off in the middle: no later message may use this connection.
            self.close()
            raise
        return server

    def _data(self, server: SMTP, body: bytes) -> tuple[int, bytes]:
        from smtplib import SMTPDataError

        try:
            return server.data(body)
        except SMTPDataError as error:
            return error.smtp_code, error.smtp_error if isinstance(error.smtp_error, bytes) else b""

    def _connected(self) -> SMTP:
        import smtplib
        import ssl

        host, port = self.route.host, self.route.port
        tls = ssl.create_default_context()
        if self.route.scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_SECONDS, context=tls)
        else:
            server = smtplib.SMTP(host, port, timeout=TIMEOUT_SECONDS)
        try:
            if self.route.scheme == "smtp":
                # Raises where the relay does not offer STARTTLS: nothing is sent unencrypted.
                server.starttls(context=tls)
            server.ehlo_or_helo_if_needed()
            login = self._login()
            if login:
                server.login(*login)
        except BaseException:
            server.close()
            raise
        return server

    def _login(self) -> tuple[str, str] | None:
        try:
            login = json.loads(secrets.read(self.cloud, SECRET))
            return login["user"], login["password"]
        except secrets.NoSecret:
            return None
        except (ValueError, KeyError, TypeError):
            where = self.cloud.names.secret(SECRET)
            raise MailRefused(
                f"the secret {where} is not JSON with user and password", permanent=False, affects_all=True
            ) from None

    def _refusal(self, code: int, answer: bytes, affects_all: bool = False) -> MailRefused:
        text = answer.decode(errors="replace").strip()
        return MailRefused(
            f"{self.route.host}: {code} {text}", permanent=code >= 500, affects_all=affects_all or code == CLOSING
        )
