"""Sample organizations: limits, members, flags, an API key, a webhook receiver."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from shared.job.setting import Setting
from shared.store import table
from shared.tables import ORGANIZATIONS

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

# The organization, member, feature and receiver that the sample events in events/ name.
NAME = "org_demo"
MEMBER, FEATURE, RECEIVER = "user_1", "exports", "r1"
LIMITS = {
    FEATURE: {"period": "month", "amount": 1000, "disableAt": 120},
    "searches": {"period": "day", "amount": 200},
}
# RFC 2606 reserves the domain: the default never resolves.
RECEIVER_URL = Setting(
    "SAMPLE_RECEIVER_URL", "https://hooks.example", "Base URL of the receivers that sample webhooks are sent to"
)


def rows(name: str) -> Iterator[dict[str, Any]]:
    """Rows of a sample organization without receivers."""
    yield {"pk": name, "sk": "-", "state": "active", "limits": LIMITS}
    yield {"pk": name, "sk": "member#ada", "role": "owner", "email": f"ada@{name}.example", "name": "Ada"}
    yield {"pk": name, "sk": "member#bob", "role": "viewer", "email": f"bob@{name}.example", "name": "Bob"}
    yield {"pk": name, "sk": "key#k1", "enabled": True}
    for feature in LIMITS:
        yield {"pk": name, "sk": f"flag#{feature}", "enabled": True}


def create(cloud: Cloud) -> int:
    """Create the organization that the sample events name.

    Returns the number of new rows. Each group whose sample events name it creates it; existing rows stay.
    """
    return sum(table.put_if_absent(cloud, ORGANIZATIONS, row) for row in (*rows(NAME), *_named_by_events(cloud)))


def url(cloud: Cloud, path: str) -> str:
    """URL of a sample receiver."""
    return f"{RECEIVER_URL.read(cloud.environment).rstrip('/')}/{path}"


def secret(receiver: str) -> str:
    """Secret of a sample receiver, the same each time."""
    return f"whsec_{base64.b64encode(hashlib.sha256(receiver.encode()).digest()).decode()}"


def _named_by_events(cloud: Cloud) -> Iterator[dict[str, Any]]:
    email = f"{MEMBER}@demo.example"
    yield {"pk": NAME, "sk": f"member#{MEMBER}", "role": "admin", "email": email, "name": "Chris"}
    hook = {"url": url(cloud, NAME), "secrets": [secret(f"{NAME} {RECEIVER}")], "active": True}
    yield {"pk": NAME, "sk": f"receiver#{RECEIVER}", **hook}
