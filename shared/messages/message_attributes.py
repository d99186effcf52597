"""SQS attributes of messages that are retried or deferred.

SQS accepts ten attributes. Where those of the sender leave no room, they travel together in one attribute, as JSON,
and are unpacked when the message is read.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from shared.dead_letters.letter import MESSAGE_ATTRIBUTE
from shared.text.untrusted_json import InvalidJson, parse_json

# Number of the attempt, first failure, error of the last attempt.
ATTEMPT, FIRST_FAILED, LAST_ERROR = "attempt", "first-failed-at", "last-error"
# Of a message that was deferred: until when, and since when.
NOT_BEFORE, DEFERRED_SINCE = "not-before", "put-off-since"
# Of every copy: id of the message that was sent first. SQS gives each copy a new id.
ORIGIN = "origin"
OWN = frozenset((ATTEMPT, FIRST_FAILED, LAST_ERROR, NOT_BEFORE, DEFERRED_SINCE, ORIGIN, MESSAGE_ATTRIBUTE))
# The attributes of the sender, as JSON in the form of a Lambda event.
PACKED = "sender-attributes"
VALUES = ("stringValue", "binaryValue")
# The limit of SQS.
MAX_ATTRIBUTES = 10
# Group ids of SQS: printable ASCII without the space.
GROUP = re.compile(r"[!-~]{1,128}")
NO_GROUP = "-"

# Attributes as Lambda delivers them.
Attributes = Mapping[str, Mapping[str, Any]]


def text_of(attributes: Attributes, name: str) -> str:
    """Return the text of an attribute; "" without it."""
    return str(attributes.get(name, {}).get("stringValue", ""))


def resent(attributes: Attributes, changes: Mapping[str, str]) -> dict[str, Any]:
    """Return the attributes of a resent message for the SQS API."""
    before = {name: attribute for name, attribute in attributes.items() if name not in changes}
    if len(before) + len(changes) > MAX_ATTRIBUTES:
        own = {name: attribute for name, attribute in before.items() if name in OWN}
        of_sender = {name: attribute for name, attribute in before.items() if name not in OWN}
        before = {**own, PACKED: {"dataType": "String", "stringValue": _pack(of_sender)}}
    api = {name: _to_api(attribute) for name, attribute in before.items()}
    return {**api, **{name: {"DataType": "String", "StringValue": text} for name, text in changes.items()}}


def unpacked(attributes: Attributes) -> Attributes:
    """Return the attributes with those of the sender that were packed."""
    text = text_of(attributes, PACKED)
    if not text:
        return attributes
    of_sender = _unpack(text)
    return {**of_sender, **{name: attribute for name, attribute in attributes.items() if name != PACKED}}


def size(attributes: Mapping[str, Any]) -> int:
    """Return the bytes of attributes in the form of the API."""
    return sum(
        len(name.encode())
        + len(attribute["DataType"].encode())
        + len(attribute.get("StringValue", "").encode())
        + len(attribute.get("BinaryValue", b""))
        for name, attribute in attributes.items()
    )


def group_id(tenant: str) -> str:
    """Return the message group of a tenant.

    It is for the fair queues of SQS. Any sender can name any tenant: a name that SQS refuses as a group is replaced by
    its hash.
    """
    if not tenant or GROUP.fullmatch(tenant):
        return tenant or NO_GROUP
    return hashlib.sha256(tenant.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _pack(attributes: Attributes) -> str:
    kept = ("dataType", *VALUES)
    return json.dumps(
        {name: {key: attribute[key] for key in kept if key in attribute} for name, attribute in attributes.items()},
        separators=(",", ":"),
        ensure_ascii=False,
    )


def _unpack(text: str) -> dict[str, Mapping[str, Any]]:
    """Return packed attributes; none where the text has another form.

    Any sender can set an attribute.
    """
    packed: Any = None
    with suppress(InvalidJson):
        packed = parse_json(text)
    if not isinstance(packed, dict) or not all(map(_is_attribute, packed.values())):
        return {}
    return packed


def _is_attribute(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and isinstance(value.get("dataType"), str)
        and sum(isinstance(value.get(name), str) for name in VALUES) == 1
    )


def _to_api(attribute: Mapping[str, Any]) -> dict[str, Any]:
    """Convert an attribute of a Lambda event for the API."""
    if "stringValue" in attribute:
        return {"DataType": attribute["dataType"], "StringValue": attribute["stringValue"]}
    return {"DataType": attribute["dataType"], "BinaryValue": base64.b64decode(attribute["binaryValue"])}
