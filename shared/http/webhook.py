"""Sign, send and verify webhooks by the Standard Webhooks specification 1.0.0 (https://www.standardwebhooks.com).

The signature is an HMAC-SHA256 over `<webhook-id>.<webhook-timestamp>.<body>`. The id is the idempotency key: it stays
the same when a message is sent again, so that the receiver recognises it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from shared.job.effect import NotPerformed
from shared.text.whole_number import parse_whole_number

if TYPE_CHECKING:
    from shared.http.client import HttpClient, HttpResponse
    from shared.http.untrusted import UntrustedHttpClient

# Limit of the specification for clock skew, and for the age of a replayed message.
TOLERANCE = timedelta(minutes=5)
GONE = 410
PREFIX = "whsec_"
# Bytes of a secret, by the specification.
SHORTEST_SECRET, LONGEST_SECRET = 24, 64


class WebhookRefused(NotPerformed):
    """The receiver answered with a status other than 2xx."""

    def __init__(self, answer: HttpResponse) -> None:
        super().__init__(f"{answer.url.partition('?')[0]} answered {answer.status}")
        self.status = answer.status
        #: Whether the receiver wants no more messages at all.
        self.gone = answer.status == GONE
        #: Retry-After in seconds.
        self.retry_after = answer.retry_after


class BadSignature(ValueError):
    """The signature is missing, too old or wrong; the message states which."""


def check_secret(secret: str) -> str:
    """Return a valid secret of Standard Webhooks.

    Raises ValueError with the reason, without the secret.
    """
    if not secret.startswith(PREFIX):
        raise ValueError(f"does not begin with {PREFIX}; such a secret is {PREFIX} and base64 of 24 to 64 random bytes")
    encoded = secret.removeprefix(PREFIX)
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"is not base64 after {PREFIX} (RFC 4648, section 4, with padding)") from None
    if base64.b64encode(key).decode() != encoded:
        raise ValueError(f"is not base64 after {PREFIX}: its last character has bits beyond the last byte")
    if not SHORTEST_SECRET <= len(key) <= LONGEST_SECRET:
        raise ValueError(f"has {len(key)} bytes; a secret has {SHORTEST_SECRET} to {LONGEST_SECRET}")
    return secret


def signable(key: str) -> bool:
    """Whether a message may have this id.

    It is a header, and a full stop ends it in the signed text.
    """
    return key.isascii() and "." not in key


def message_id(key: str) -> str:
    """The id of a message: its key, or the key's hash.

    The hash replaces a key that is not signable.
    """
    return key if signable(key) else hashlib.sha256(key.encode()).hexdigest()


def sign(secrets: Sequence[str], key: str, at: datetime, body: str) -> dict[str, str]:
    """The headers of a signed message. Raises ValueError.

    secrets: `whsec_<base64>`, several during a rotation.
    """
    from standardwebhooks import Webhook

    if not secrets or not signable(key):
        raise ValueError("signing a webhook needs at least one secret, and an id in ASCII without a full stop")
    at = at.astimezone(UTC)
    for number, secret in enumerate(secrets, 1):
        try:
            check_secret(secret)
        except ValueError as error:
            raise ValueError(f"secret {number} {error}") from None
    signatures = [Webhook(secret).sign(key, at, body) for secret in secrets]
    return {
        "webhook-id": key,
        "webhook-timestamp": f"{int(at.timestamp())}",
        "webhook-signature": " ".join(signatures),
    }


def verify(secrets: Sequence[str], headers: Mapping[str, str], body: str, now: datetime) -> str:
    """Verify the signature and return the id of the message. Raises BadSignature."""
    named = {name.lower(): value for name, value in headers.items()}
    missing = [name for name in ("webhook-id", "webhook-timestamp", "webhook-signature") if not named.get(name)]
    if missing:
        raise BadSignature(f"the header {missing[0]} is missing")
    key, stamp = named["webhook-id"], named["webhook-timestamp"]
    try:
        at = datetime.fromtimestamp(parse_whole_number(stamp), UTC)
    except (ValueError, OverflowError, OSError):
        raise BadSignature(f"webhook-timestamp is {stamp[:40]!r}, not seconds since 1970") from None
    if abs(now - at) > TOLERANCE:
        raise BadSignature(f"it was signed at {at:%Y-%m-%d %H:%M:%S} UTC, more than {TOLERANCE} from now")
    signatures = named["webhook-signature"].split()
    expected = sign(secrets, key, at, body)["webhook-signature"].split() if signable(key) else []
    # All are compared, each in constant time: the duration reveals nothing.
    matches = [hmac.compare_digest(one.encode(), other.encode()) for one in expected for other in signatures]
    if not any(matches):
        raise BadSignature("no signature fits")
    return key


def post(http: HttpClient | UntrustedHttpClient, url: str, secrets: Sequence[str], key: str, body: str) -> HttpResponse:
    """Send a JSON message once.

    Raises WebhookRefused for a status other than 2xx, ValueError, and errors of `http`.

    http: an UntrustedHttpClient for URLs that users gave, an HttpClient for declared hosts.
    """
    headers = sign(secrets, message_id(key), http.cloud.clock.now(), body)
    sent = {**headers, "content-type": "application/json"}
    answer = http.call("POST", url, headers=sent, body=body, key=headers["webhook-id"])
    if not 200 <= answer.status < 300:
        raise WebhookRefused(answer)
    return answer
