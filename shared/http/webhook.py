"""Webhooks, signed by the Standard Webhooks specification, 1.0.0: https://www.standardwebhooks.com

The signature is an HMAC-SHA256 over `<webhook-id>.<webhook-timestamp>.<body>`. The id is the idempotency key: a message
that is sent again carries it again, and its receiver knows it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from shared.job.effect import NotPerformed

if TYPE_CHECKING:
    from shared.http.client import HttpClient, HttpResponse
    from shared.http.untrusted import UntrustedHttpClient

# How far the two clocks may be apart, and how old a message may be that is played again; the specification's own.
TOLERANCE = timedelta(minutes=5)
GONE = 410


class WebhookRefused(NotPerformed):
    """The receiver did not take it. status: what it said. gone: it wants no more of them, ever.

    retry_after: seconds, where it named them.
    """

    def __init__(self, answer: HttpResponse) -> None:
        super().__init__(f"{answer.url.partition('?')[0]} answered {answer.status}")
        self.status = answer.status
        self.gone = answer.status == GONE
        self.retry_after = answer.retry_after


class BadSignature(ValueError):
    """Not signed by any of the secrets, or too old, or not signed at all; the message says which."""


def signable(key: str) -> bool:
    """Whether a message may have that id. It is part of what is signed, up to a full stop, and it is a header."""
    return key.isascii() and "." not in key


def message_id(key: str) -> str:
    """The id of the message with that key; always the same, and one that may be signed."""
    return key if signable(key) else hashlib.sha256(key.encode()).hexdigest()


def sign(secrets: Sequence[str], key: str, at: datetime, body: str) -> dict[str, str]:
    """The headers of a message. secrets: `whsec_<base64>`; several while one is being replaced. Raises ValueError."""
    from standardwebhooks import Webhook
    from standardwebhooks.webhooks import EmptyWebhookSecretError

    if not secrets or not signable(key):
        raise ValueError("a webhook is signed by at least one secret, under an id in ASCII without a full stop")
    at = at.astimezone(UTC)
    try:
        signatures = [Webhook(secret).sign(key, at, body) for secret in secrets]
    except EmptyWebhookSecretError:
        raise ValueError("a secret is empty, or none of it is base64") from None
    return {
        "webhook-id": key,
        "webhook-timestamp": f"{int(at.timestamp())}",
        "webhook-signature": " ".join(signatures),
    }


def verify(secrets: Sequence[str], headers: Mapping[str, str], body: str, now: datetime) -> str:
    """The message's id. Raises BadSignature."""
    given = {name.lower(): value for name, value in headers.items()}
    missing = [name for name in ("webhook-id", "webhook-timestamp", "webhook-signature") if not given.get(name)]
    if missing:
        raise BadSignature(f"the header {missing[0]} is missing")
    key, stamp = given["webhook-id"], given["webhook-timestamp"]
    try:
        at = datetime.fromtimestamp(int(stamp), UTC)
    except (ValueError, OverflowError, OSError):
        raise BadSignature(f"webhook-timestamp is {stamp[:40]!r}, not seconds since 1970") from None
    if abs(now - at) > TOLERANCE:
        raise BadSignature(f"it was signed at {at:%Y-%m-%d %H:%M:%S} UTC, more than {TOLERANCE} from now")
    shown = given["webhook-signature"].split()
    expected = sign(secrets, key, at, body)["webhook-signature"].split() if signable(key) else []
    # All are compared, and each in constant time: how long it takes tells nothing.
    fits = [hmac.compare_digest(one.encode(), other.encode()) for one in expected for other in shown]
    if not any(fits):
        raise BadSignature("no signature fits")
    return key


def post(http: HttpClient | UntrustedHttpClient, url: str, secrets: Sequence[str], key: str, body: str) -> HttpResponse:
    """Send a message, JSON, once. Raises WebhookRefused for any answer but a 2xx, ValueError, and what `http` raises.

    http: it bounds the call, and says which hosts may be called; a UntrustedHttpClient takes URLs from outside.
    """
    headers = sign(secrets, message_id(key), http.cloud.clock.now(), body)
    sent = {**headers, "content-type": "application/json"}
    answer = http.call("POST", url, headers=sent, body=body, key=headers["webhook-id"])
    if not 200 <= answer.status < 300:
        raise WebhookRefused(answer)
    return answer
