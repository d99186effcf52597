"""Servers beside the local cloud that its jobs call.

A mail server, a name server, a webhook receiver.

Mails are stored in `mail/` of its folder, webhooks in `webhooks.jsonl`; the name server answers from `zone.json`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cli.up.service_ports import FIXED, ServicePorts
from functions.accounts import _dns, _link
from functions.webhooks.webhook_retry import LOOPBACK
from shared.http.local_ports import LOCAL_PORTS
from shared.job.console_url import CONSOLE_URL
from shared.mail import route

if TYPE_CHECKING:
    from local.services.dns_server import DnsServer

SENDER = "Nightshift <nightshift@in.example>"
# DNS records that a domain must have here to be verified.
MX = "mx.in.example"
CNAMES = "dkim._domainkey=dkim.in.example"


@dataclass(frozen=True, slots=True)
class LocalServices:
    """Settings by which jobs find the running servers, and their ports."""

    settings: dict[str, str]
    ports: ServicePorts


@contextmanager
def start(folder: Path, wanted: ServicePorts = FIXED) -> Iterator[LocalServices]:
    """Run the servers while the block lasts."""
    # Imported lazily: most commands import this module and start no server.
    from local.services.smtp_server import SmtpServer
    from local.services.webhook_receiver import WebhookReceiver

    with ExitStack() as running:
        box = running.enter_context(SmtpServer(folder / "mail", wanted.mail))
        names = running.enter_context(_nameserver(wanted.dns, folder / "zone.json"))
        receiver = running.enter_context(WebhookReceiver(folder / "webhooks.jsonl", wanted.webhooks))
        (folder / "receiver.url").write_text(f"{receiver.url}\n")
        settings = {
            route.RELAY.name: f"smtp+plain://127.0.0.1:{box.port}",
            route.SENDER.name: SENDER,
            _dns.SERVERS.name: names.address,
            _dns.MX.name: MX,
            _dns.CNAMES.name: CNAMES,
            LOOPBACK.name: "true",
            # The URLs that AWS would assign do not exist on this machine.
            CONSOLE_URL.name: f"http://127.0.0.1:{LOCAL_PORTS['console']}",
            _link.LINK.name: f"http://127.0.0.1:{LOCAL_PORTS[_link.FUNCTION]}/{_link.FUNCTION}/{{ticket}}",
        }
        yield LocalServices(settings, ServicePorts(mail=box.port, dns=names.port, webhooks=receiver.port))


def _nameserver(port: int, zone: Path) -> DnsServer:
    from local.services.dns_server import DnsServer

    try:
        return DnsServer(port, zone)
    except OSError:
        return DnsServer(0, zone)
