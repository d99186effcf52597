"""Tenant and entity that the JSON body of a message names.

A decoded payload has them in its own fields. This is for bodies before that, and for those that cannot be decoded: the
failure of an invalid message belongs to its organization too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

ORGANIZATION_NAMES = ("organizationId", "orgId")
CORRELATION = "correlationId"
# Ids that are not what a message is about.
OTHER_IDS = (*ORGANIZATION_NAMES, CORRELATION, "userId")


def tenant_of(body: Any) -> str:
    """Return the id of the organization, or ""."""
    names = (holder.get(name) for holder in _holders(body) for name in ORGANIZATION_NAMES)
    return next(filter(None, map(_id, names)), "")


def entity_of(body: Any) -> str:
    """Return the first id of what the message is about, or ""."""
    ids = (value for holder in _holders(body) for name, value in holder.items() if _names_entity(name))
    return next(filter(None, map(_id, ids)), "")


def correlation_of(body: Any) -> str:
    """Return the correlation id, or ""."""
    return next(filter(None, (_id(holder.get(CORRELATION)) for holder in _holders(body))), "")


def _holders(body: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the body, its payload, and the objects in the payload."""
    if not isinstance(body, Mapping):
        return
    yield body
    payload = body.get("payload")
    if isinstance(payload, Mapping):
        yield payload
        yield from (value for value in payload.values() if isinstance(value, Mapping))


def _names_entity(name: str) -> bool:
    return name not in OTHER_IDS and (name == "id" or name.endswith(("Id", "_id")))


def _id(value: Any) -> str:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
