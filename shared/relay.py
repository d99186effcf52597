"""Relays: SES by its API, every other by SMTP. When nothing was sent they say so; any other error leaves it open."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

from shared import secret
from shared.cloud import undone
from shared.deadline import DeadlineExceeded
from shared.mail import SECRET, Mail, MailRefused, Relay, Route, address, written

if TYPE_CHECKING:
    from smtplib import SMTP

    from shared.cloud import Cloud

# Seconds for a connection and for each answer.
PATIENCE = 10
# What SES will not say otherwise on a later try.
PERMANENT = ("MessageRejected", "BadRequestException", "NotFoundException", "ValidationException")
ACCEPTED = (250, 251, 252)


def of(cloud: Cloud, route: Route, sender: str) -> Relay:
    return Ses(cloud, sender) if route.scheme == "ses" else Smtp(cloud, route, sender)


class Ses:
    def __init__(self, cloud: Cloud, sender: str) -> None:
        self.cloud = cloud
        self.sender = sender

    def send(self, mail: Mail, key: str) -> str:
        message = written(mail, key, self.cloud.clock.now(), self.sender)
        try:
            answer = self.cloud.mail.send_email(
                FromEmailAddress=str(message["From"]),
                Destination={"ToAddresses": [address(one) for one in mail.to]},
                Content={"Raw": {"Data": message.as_bytes()}},
            )
        except Exception as error:
            if not undone(error):
                raise
            code = getattr(error, "response", {}).get("Error", {}).get("Code", "")
            raise MailRefused(f"SES: {error}", permanent=code in PERMANENT) from error
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
        body = message.as_bytes()
        server = self._envelope(address(str(message["From"])), [address(one) for one in mail.to])
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
        from smtplib import SMTPException, SMTPServerDisconnected

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
            for code, answer in replies:
                if code not in ACCEPTED:
                    server.rset()
                    raise self._said(code, answer)
        except (SMTPException, OSError) as error:
            # It concerns the connection, and with it every mail: another day it may be better.
            self.close()
            words = getattr(error, "smtp_error", None)
            told = f"{error.args[0]} {words.decode(errors='replace')}" if isinstance(words, bytes) else str(error)
            raise MailRefused(f"{self.route.host}: {type(error).__name__}: {told}", permanent=False) from error
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
            found = json.loads(secret.read(self.cloud, SECRET))
            return found["user"], found["password"]
        except secret.NoSecret:
            return None
        except (ValueError, KeyError, TypeError):
            where = self.cloud.names.secret(SECRET)
            raise MailRefused(f"the secret {where} is not JSON with user and password", permanent=False) from None

    def _said(self, code: int, answer: bytes) -> MailRefused:
        text = answer.decode(errors="replace").strip()
        return MailRefused(f"{self.route.host}: {code} {text}", permanent=code >= 500)
