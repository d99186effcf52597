"""Relays: SES by its API, every other by SMTP. When nothing was sent they say so; any other error leaves it open."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, LifoQueue
from typing import TYPE_CHECKING

from shared.aws import secrets
from shared.aws.cloud import undone
from shared.deadline import DeadlineExceeded
from shared.job.settings import SettingError
from shared.mail.message import Mail, MailRefused, Relay
from shared.mail.sending import RELAY, SECRET, SENDER, Route, address, written

if TYPE_CHECKING:
    from smtplib import SMTP

    from shared.aws.cloud import Cloud
    from shared.run.context import RunContext

# Seconds for a connection and for each answer.
PATIENCE = 10
# What SES will not say otherwise on a later try.
PERMANENT = ("MessageRejected", "BadRequestException", "NotFoundException", "ValidationException")
# What it says of the account, or of how much it was asked.
BUSY = (
    *("TooManyRequestsException", "LimitExceededException", "SendingPausedException", "AccountSuspendedException"),
    *("ThrottlingException", "Throttling", "AccessDeniedException", "MailFromDomainNotVerifiedException"),
)
# With the code of a mail that it doesn't like: `Email address is not verified. The following identities failed the
# check`. It is the sender, for want of a record, or anybody, of an account that is still in the sandbox.
UNVERIFIED = "is not verified"
ACCEPTED = (250, 251, 252)
# The relay closes the connection, be it for a while.
CLOSING = 421
LINE_END = re.compile(rb"\r\n|\r|\n")


def of(cloud: Cloud, route: Route, sender: str) -> Relay:
    return Ses(cloud, sender) if route.scheme == "ses" else Smtp(cloud, route, sender)


class Relays:
    """As many connections as are in use at once, each for many mails; safe to share between threads.

    Raises SettingError where no sender is set: none of a run's mails could be sent, and none is to be blamed for it.
    """

    def __init__(self, run: RunContext) -> None:
        if not run.setting(SENDER.name):
            raise SettingError(f"{SENDER.name} is empty; say whom e-mail comes from")
        self.tick = run
        self._idle: LifoQueue[Relay] = LifoQueue()

    def __enter__(self) -> Relays:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(Empty):
            while True:
                self._idle.get_nowait().close()

    @contextmanager
    def one(self) -> Iterator[Relay]:
        try:
            relay = self._idle.get_nowait()
        except Empty:
            relay = of(self.tick.cloud, self.tick.setting(RELAY.name), self.tick.setting(SENDER.name))
        try:
            yield relay
        finally:
            self._idle.put(relay)


class Ses:
    def __init__(self, cloud: Cloud, sender: str) -> None:
        self.cloud = cloud
        self.sender = sender

    def send(self, mail: Mail, key: str) -> str:
        message = written(mail, key, self.cloud.clock.now(), self.sender)
        return self._hand_over(str(message["From"]), [address(one) for one in mail.to], message.as_bytes())

    def forward(self, message: bytes, to: str) -> str:
        return self._hand_over(address(self.sender), [address(to)], message)

    def _hand_over(self, sender: str, to: list[str], body: bytes) -> str:
        try:
            answer = self.cloud.mail.send_email(
                FromEmailAddress=sender,
                Destination={"ToAddresses": to},
                Content={"Raw": {"Data": body}},
            )
        except Exception as error:
            if not undone(error):
                raise
            code = getattr(error, "response", {}).get("Error", {}).get("Code", "")
            # What never left is no word on the mail either.
            everyone = code in BUSY or not code or UNVERIFIED in str(error)
            raise MailRefused(
                f"SES: {error}", permanent=code in PERMANENT and not everyone, everyone=everyone
            ) from error
        return answer["MessageId"]

    def close(self) -> None:
        """There is nothing to close."""


class Smtp:
    """One connection, made at the first mail and again when it was lost in between."""

    def __init__(self, cloud: Cloud, route: Route, sender: str) -> None:
        self.cloud = cloud
        self.route = route
        self.sender = sender
        self._server: SMTP | None = None

    def send(self, mail: Mail, key: str) -> str:
        message = written(mail, key, self.cloud.clock.now(), self.sender)
        return self._hand_over(str(message["From"]), mail.to, message.as_bytes())

    def forward(self, message: bytes, to: str) -> str:
        # A lone CR or LF would be a line's end to some relays and none to others: what follows it might pass for
        # another mail (SMTP smuggling).
        return self._hand_over(self.sender, (to,), LINE_END.sub(b"\r\n", message))

    def _hand_over(self, sender: str, to: Iterable[str], body: bytes) -> str:
        server = self._envelope(address(sender), [address(one) for one in to])
        try:
            code, answer = self._data(server, body)
        except BaseException:
            # From here on a silence may mean that it was taken.
            self.close()
            raise
        if code not in ACCEPTED:
            raise self._said(code, answer)
        return answer.decode(errors="replace")

    def close(self) -> None:
        if self._server is not None:
            # Whether it hears the farewell is of no interest.
            with suppress(Exception):
                self._server.quit()
            self._server = None

    def _envelope(self, sender: str, to: list[str]) -> SMTP:
        """A connection on which sender and recipients are accepted. Raises MailRefused."""
        from smtplib import SMTPServerDisconnected

        try:
            try:
                server = self._server or self._connected()
                replies = [server.mail(sender)]
            except SMTPServerDisconnected:
                if self._server is None:
                    raise
                # Idle connections are closed by the other side, and nothing of this mail was said on it.
                server = self._connected()
                replies = [server.mail(sender)]
            self._server = server
            replies += [server.rcpt(one) for one in to]
            for number, (code, answer) in enumerate(replies):
                if code not in ACCEPTED:
                    server.rset()
                    # The first is about the sender, who is the same for all.
                    raise self._said(code, answer, everyone=number == 0)
        except MailRefused:
            raise
        except Exception as error:
            # Whatever it is, nothing was sent. It concerns the connection, and with it every mail: another day it may
            # be better.
            self.close()
            words = getattr(error, "smtp_error", None)
            told = f"{error.args[0]} {words.decode(errors='replace')}" if isinstance(words, bytes) else str(error)
            why = f"{self.route.host}: {type(error).__name__}: {told}"
            raise MailRefused(why, permanent=False, everyone=True) from error
        except DeadlineExceeded:
            # Cut off in the middle of a word, on a connection that a later run may have been left.
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
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=PATIENCE, context=tls)
        else:
            server = smtplib.SMTP(host, port, timeout=PATIENCE)
        try:
            if self.route.scheme == "smtp":
                # Raises where the relay does not offer it: mail and password never go in the clear.
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
            found = json.loads(secrets.read(self.cloud, SECRET))
            return found["user"], found["password"]
        except secrets.NoSecret:
            return None
        except (ValueError, KeyError, TypeError):
            where = self.cloud.names.secret(SECRET)
            raise MailRefused(
                f"the secret {where} is not JSON with user and password", permanent=False, everyone=True
            ) from None

    def _said(self, code: int, answer: bytes, everyone: bool = False) -> MailRefused:
        text = answer.decode(errors="replace").strip()
        return MailRefused(
            f"{self.route.host}: {code} {text}", permanent=code >= 500, everyone=everyone or code == CLOSING
        )
