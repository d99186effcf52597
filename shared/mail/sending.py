"""Send e-mail through the configured relay: SES or an SMTP server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.aws.permissions import Grant, read_secret, send_mail
from shared.mail.message import Relay
from shared.mail.route import CONNECTIONS, RELAY, SECRET, SENDER, UNANSWERED

if TYPE_CHECKING:
    from shared.run.context import RunContext

# A job that sends e-mail declares these settings and grants.
SETTINGS = (RELAY, SENDER, CONNECTIONS, UNANSWERED)
GRANTS: tuple[Grant, ...] = (send_mail(), read_secret(SECRET))


def relay(run: RunContext) -> Relay:
    """The relay of the job's settings; it connects at its first message."""
    from shared.mail import relay

    return relay.configured_relay(run)
