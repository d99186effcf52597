"""Sign-in link of the console: valid for two minutes, and once."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

from shared.http import signed_value
from shared.store import keys, table
from shared.tables import STATE, TTL

if TYPE_CHECKING:
    from datetime import datetime

    from shared.aws.cloud import Cloud

VALID = timedelta(minutes=2)
# How long a used link is known. Longer than it is valid: clocks differ.
RETENTION = timedelta(hours=1)
PURPOSE = "console-link"
PATH = "/ui/login/link"


@dataclass(frozen=True, slots=True)
class ConsoleLink:
    """The person whom a link signs in."""

    role: str
    #: Name or ARN for the audit log.
    who: str


def mint(url: str, secret: str, role: str, who: str, now: datetime, to: str = "") -> str:
    """Make a link. Nothing is stored.

    url: of the console. secret: the token of the role. to: the path that it leads to.
    """
    data = {"n": secrets.token_hex(12), "e": int((now + VALID).timestamp()), "r": role, "w": who}
    link = f"{url.rstrip('/')}{PATH}?t={signed_value.sign(secret, PURPOSE, data)}"
    return f"{link}&to={quote(to, safe='')}" if to else link


def redeem(cloud: Cloud, tokens: Mapping[str, str], text: str) -> ConsoleLink | None:
    """Use a link up; None for an invalid or used one.

    tokens: by role.
    """
    now = cloud.clock.now()
    for role, secret in tokens.items():
        data = signed_value.verify(secret, PURPOSE, text)
        if data is None or data["r"] != role or data["e"] < now.timestamp():
            continue
        row = {**keys.console("link", str(data["n"])).attributes, TTL: int((now + RETENTION).timestamp())}
        # No `won`: after a lost reply the link counts as used, and the person asks for another one.
        return ConsoleLink(role, str(data["w"])) if table.put_if_absent(cloud, STATE, row) else None
    return None
