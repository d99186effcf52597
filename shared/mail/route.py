"""Route of e-mail: the relay and the sender that the settings name."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from shared.job import settings
from shared.job.setting import Setting

# JSON with `user` and `password`; without a value for a relay without authentication.
SECRET = "mail-relay"
PORTS = {"smtp": 587, "smtps": 465, "smtp+plain": 25}
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class Route:
    """Where e-mail is sent."""

    #: ses, smtp (STARTTLS is required), smtps (TLS from the start) or smtp+plain (loopback only).
    scheme: str
    host: str = ""
    port: int = 0


def route(text: str) -> Route:
    """Parse `ses`, `smtp://relay.example:587` or `smtps://relay.example`. Raises ValueError."""
    if text.strip().lower() == "ses":
        return Route("ses")
    parts = urlsplit(text.strip())
    if parts.scheme not in PORTS or not parts.hostname:
        raise ValueError("use ses, smtp://host:587 for STARTTLS, or smtps://host:465 for TLS")
    if "@" in parts.netloc:
        raise ValueError(f"contains credentials; put them into the secret {SECRET}")
    if parts.scheme == "smtp+plain" and parts.hostname not in LOOPBACK:
        raise ValueError("unencrypted mail is sent to this machine only; use smtp:// or smtps://")
    return Route(parts.scheme, parts.hostname, parts.port or PORTS[parts.scheme])


RELAY = Setting(
    "MAIL_RELAY", "ses", "Relay for e-mail: ses, smtp://host:587 (STARTTLS) or smtps://host:465", route, external=True
)
SENDER = settings.text("MAIL_FROM", "", "Sender of e-mail; with SES an address of a verified identity")
CONNECTIONS = settings.count("MAIL_RELAY_CONNECTIONS", 4, "Connections to the relay at once, of one run of a job")
RETRY, HOLD = "retry", "hold"
UNANSWERED = settings.choice(
    "MAIL_UNANSWERED",
    RETRY,
    (RETRY, HOLD),
    "A mail whose relay did not answer after it had the whole message: retry with the same Message-ID, as relays do "
    "among themselves (it may arrive twice), or hold until an operator resolves it",
)
