"""Who is around the local cloud, so that its jobs have somebody to talk to: a mail server, a name server, a receiver.

Mails lie in `mail/` of its folder, webhooks in `webhooks.jsonl`; the name server answers from `zone.json`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from functions.accounts import _dns, _link
from functions.webhooks.webhook_retry import LOOPBACK
from local.cloud import PORTS
from shared.mail import sending

if TYPE_CHECKING:
    from local.services.dns_server import Nameserver

# The same every time, where they are free: so that what is deployed need not change.
MAIL, DNS, WEBHOOKS = 7781, 7782, 7783
SENDER = "Nightshift <nightshift@in.example>"
# What a domain's DNS has to say here.
MX = "mx.in.example"
CNAMES = "dkim._domainkey=dkim.in.example"


@contextmanager
def around(folder: Path, *, anywhere: bool = False) -> Iterator[dict[str, str]]:
    """They run while the block lasts; the settings by which jobs find them. anywhere: on free ports."""
    # Most commands need none of them, and import this all the same.
    from local.services.smtp_server import Postbox
    from local.services.webhook_receiver import Receiver

    ports = (0, 0, 0) if anywhere else (MAIL, DNS, WEBHOOKS)
    with ExitStack() as running:
        box = running.enter_context(Postbox(folder / "mail", ports[0]))
        names = running.enter_context(_nameserver(ports[1], folder / "zone.json"))
        receiver = running.enter_context(Receiver(folder / "webhooks.jsonl", ports[2]))
        (folder / "receiver.url").write_text(f"{receiver.url}\n")
        yield {
            sending.RELAY.name: f"smtp+plain://127.0.0.1:{box.port}",
            sending.SENDER.name: SENDER,
            _dns.SERVERS.name: names.address,
            _dns.MX.name: MX,
            _dns.CNAMES.name: CNAMES,
            LOOPBACK.name: "true",
            # What AWS calls the function leads nowhere on this machine.
            _link.LINK.name: f"http://127.0.0.1:{PORTS[_link.FUNCTION]}/{_link.FUNCTION}/{{ticket}}",
        }


def _nameserver(port: int, zone: Path) -> Nameserver:
    from local.services.dns_server import Nameserver

    try:
        return Nameserver(port, zone)
    except OSError:
        return Nameserver(0, zone)
