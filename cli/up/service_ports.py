"""Ports of the servers beside the local cloud.

They are part of the jobs' settings, so of the templates: with other ports, everything is synthesized again.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from shared.text.regular_file import read_regular
from shared.text.untrusted_json import parse_json

FILE = "ports.json"
MAX_BYTES = 4096


@dataclass(frozen=True, slots=True)
class ServicePorts:
    """Wanted or used ports.

    0 is any free one; a free one replaces a port in use.
    """

    site: int = 0
    broken_site: int = 0
    mail: int = 0
    dns: int = 0
    webhooks: int = 0

    def with_sites(self, sites: Sequence[int]) -> ServicePorts:
        """Add the ports of running demo sites, if any."""
        site, broken_site = sites or (0, 0)
        return replace(self, site=site, broken_site=broken_site)

    def remember(self, folder: Path) -> None:
        """Make them the wanted ports of the next run in that folder."""
        (folder / FILE).write_text(json.dumps(asdict(self)))


#: Of `make up`, which is meant to stay.
FIXED = ServicePorts(site=7778, broken_site=7779, mail=7781, dns=7782, webhooks=7783)


def of_last_run(folder: Path) -> ServicePorts:
    """Ports that the last run in that folder used.

    Any free ones without it.
    """
    with contextlib.suppress(OSError, ValueError, TypeError):
        ports = ServicePorts(**parse_json(read_regular(folder / FILE, MAX_BYTES)))
        if all(type(port) is int and 0 <= port < 1 << 16 for port in asdict(ports).values()):
            return ports
    return ServicePorts()
