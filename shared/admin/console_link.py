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
INVALID = "This link is not valid: it may be cut, of another stage, or older than the current token."


@dataclass(frozen=True, slots=True)
class ConsoleLink:
    """The person whom a link signs in."""

    role: str
    #: Name or ARN for the audit log.
    who: str


class LinkRefused(Exception):
    """The link signs nobody in; the text has the reason.

    The reason reveals nothing without a valid signature: it does not help to guess.
    """


def mint(url: str, secret: str, role: str, who: str, now: datetime, to: str = "") -> str:
    """Make a link. Nothing is stored.

    url: of the console. secret: the token of the role. to: the path that it leads to.
    """
    data = {"n": secrets.token_hex(12), "e": int((now + VALID).timestamp()), "r": role, "w": who}
    link = f"{url.rstrip('/')}{PATH}?t={signed_value.sign(secret, PURPOSE, data)}"
    return f"{link}&to={quote(to, safe='')}" if to else link


def redeem(cloud: Cloud, tokens: Mapping[str, str], text: str) -> ConsoleLink:
    """Use a link up.

    tokens: by role. Raises LinkRefused for an invalid, expired or used one.
    """
    now = cloud.clock.now()
    for role, secret in tokens.items():
        data = signed_value.verify(secret, PURPOSE, text)
        if data is None or data["r"] != role:
            continue
        if data["e"] < now.timestamp():
            raise LinkRefused("This link has expired: it is valid for two minutes. Make another one.")
        row = {**keys.console("link", str(data["n"])).attributes, TTL: int((now + RETENTION).timestamp())}
        # No `won`: after a lost reply the link counts as used, and the person asks for another one.
        if not table.put_if_absent(cloud, STATE, row):
            raise LinkRefused("This link was used before: it works once. Make another one.")
        return ConsoleLink(role, str(data["w"]))
    raise LinkRefused(INVALID)
