"""Signed values: JSON objects with an HMAC, for cookies, links and forms."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from shared.text.untrusted_json import InvalidJson, parse_json

# Longer texts are refused before they are decoded: a browser's limit of a cookie.
MAX_TEXT = 4096


def sign(secret: str, purpose: str, data: Mapping[str, Any]) -> str:
    """Encode the object with its signature.

    purpose: a value that was signed for one purpose is invalid for another.
    """
    payload = _encode(json.dumps(data, separators=(",", ":")).encode())
    return f"{payload}.{_signature(secret, purpose, payload)}"


def verify(secret: str, purpose: str, text: str) -> dict[str, Any] | None:
    """Decode a signed value; None unless it was signed with this secret."""
    payload, _, signature = text.partition(".")
    if not secret or len(text) > MAX_TEXT or not text.isascii():
        return None
    if not hmac.compare_digest(signature, _signature(secret, purpose, payload)):
        return None
    try:
        data = parse_json(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)).decode())
    except (binascii.Error, InvalidJson, UnicodeDecodeError):
        return None
    return data if isinstance(data, dict) else None


def _signature(secret: str, purpose: str, payload: str) -> str:
    key = hmac.digest(secret.encode(), f"nightshift/{purpose}".encode(), hashlib.sha256)
    return _encode(hmac.digest(key, payload.encode(), hashlib.sha256))


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
