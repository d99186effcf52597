"""Values from the secret store, held for a while: a run asks once, and a rotated secret is seen soon."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

HELD = timedelta(minutes=5)
_held: WeakKeyDictionary[Cloud, dict[str, tuple[datetime, str]]] = WeakKeyDictionary()


class NoSecret(LookupError):
    """The secret is not there, or nobody has put a value in."""


def read(cloud: Cloud, name: str) -> str:
    """The current value, at most 5 minutes old. Raises NoSecret."""
    held = _held.setdefault(cloud, {})
    now = cloud.clock.now()
    if name not in held or not now - HELD < held[name][0] <= now:
        physical = cloud.names.secret(name)
        try:
            value = cloud.secrets.get_secret_value(SecretId=physical).get("SecretString", "")
        except cloud.secrets.exceptions.ResourceNotFoundException:
            value = ""
        if not value:
            raise NoSecret(f"the secret {physical} has no value; put one in")
        held[name] = now, value
    return held[name][1]
