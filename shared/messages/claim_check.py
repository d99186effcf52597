"""Claim check: large or private payloads are stored in S3.

The message carries the key.

Key: `payloads/<organization>/<queue>/<yyyy>/<mm>/<dd>/<sha256>.json`. The bucket deletes them after 60 days: a queue
retains a message for 14 at most, and its dead letter can be redriven for 37 more.

Source of the pattern: G. Hohpe, B. Woolf, "Enterprise Integration Patterns", Claim Check.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from shared.job.outcome import Rejected

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

FOLDER = "payloads"
# Logical name of the KMS key.
KEY = "payloads"
# Bytes; a consumer has a payload in memory, beside others of its batch.
MAX_BYTES = 64 * 1024 * 1024


class InvalidClaim(Rejected):
    """A malformed claim check, or a missing or different object."""


class PayloadTooLarge(ValueError):
    """A payload over the limit of bytes; nothing was stored."""


def prefix(organization: str, queue: str) -> str:
    """Return the S3 prefix of the payloads of one organization and queue."""
    return f"{FOLDER}/{organization}/{queue.replace(':', '-')}/"


def check_in(cloud: Cloud, organization: str, queue: str, body: bytes, *, encrypted: bool) -> dict[str, Any]:
    """Store the bytes and return the claim check.

    The same bytes on the same day are the same object.

    encrypted: with the deployment's own KMS key, beyond the encryption of S3. Raises PayloadTooLarge.
    """
    if len(body) > MAX_BYTES:
        raise PayloadTooLarge(
            f"{queue}: a payload of {len(body):,} bytes is over the limit of {MAX_BYTES:,}; send it in parts"
        )
    digest = hashlib.sha256(body).hexdigest()
    key = f"{prefix(organization, queue)}{cloud.clock.now():%Y/%m/%d}/{digest}.json"
    kms: dict[str, Any] = {
        "ServerSideEncryption": "aws:kms",
        "SSEKMSKeyId": cloud.names.key_arn(KEY),
        "BucketKeyEnabled": True,
    }
    cloud.s3.put_object(
        Bucket=cloud.names.bucket,
        Key=key,
        Body=body,
        ContentType="application/json",
        # By default with that of the bucket, which may be a key of the account.
        **(kms if encrypted else {}),
    )
    return {"key": key, "bytes": len(body)}


def collect(cloud: Cloud, organization: str, queue: str, check: Any) -> bytes:
    """Return the bytes of a claim check.

    Raises InvalidClaim, and errors of S3 such as a missing permission.
    """
    key, size, digest = _parse(organization, queue, check)
    try:
        stored = cloud.s3.get_object(Bucket=cloud.names.bucket, Key=key)
    except cloud.s3.exceptions.NoSuchKey:
        raise InvalidClaim(f"there is no object {key}; payloads are retained for 60 days") from None
    if stored["ContentLength"] != size:
        raise InvalidClaim(f"{key} has {stored['ContentLength']} bytes, and {size} were checked in")
    body: bytes = stored["Body"].read()
    if hashlib.sha256(body).hexdigest() != digest:
        raise InvalidClaim(f"{key} does not have the checksum in its name")
    return body


def _parse(organization: str, queue: str, check: Any) -> tuple[str, int, str]:
    """Return key, bytes and checksum of a claim check.

    It must be of this organization and queue.
    """
    if not isinstance(check, Mapping) or not isinstance(check.get("key"), str) or type(check.get("bytes")) is not int:
        raise InvalidClaim('a claim check is {"key": text, "bytes": number}')
    key, size = check["key"], check["bytes"]
    match = re.fullmatch(
        rf"{re.escape(prefix(organization, queue))}[0-9]{{4}}/[0-9]{{2}}/[0-9]{{2}}/([0-9a-f]{{64}})\.json", key
    )
    if not match:
        raise InvalidClaim(f"{key!r:.200} is no payload of {organization} in {queue}")
    if not 0 <= size <= MAX_BYTES:
        raise InvalidClaim(f"{size} bytes are more than the limit of {MAX_BYTES:,}")
    return key, size, match[1]
