"""What is too large for a queue, or too private: kept in S3, while the message carries the claim check for it.

`payloads/<organization>/<queue>/<yyyy>/<mm>/<dd>/<sha256>.json`. The bucket forgets them after 60 days: a queue keeps a
message for 14 at most, and its dead letter may be sent again for 37 more.

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
# The key of KMS, by its logical name.
KEY = "payloads"
# A consumer has it in memory, beside others of its batch.
LARGEST = 64 * 1024 * 1024


class InvalidClaim(Rejected):
    """The claim check is none, or what it is for is not there any more, or is not what was checked in."""


class TooLarge(ValueError):
    """Nobody could take it in; nothing was kept."""


def prefix(organization: str, queue: str) -> str:
    return f"{FOLDER}/{organization}/{queue.replace(':', '-')}/"


def check_in(cloud: Cloud, organization: str, queue: str, body: bytes, *, encrypted: bool) -> dict[str, Any]:
    """Keep the bytes and return the claim check. The same bytes on the same day are the same object.

    encrypted: under the deployment's own key, beyond what S3 does anyway. Raises TooLarge.
    """
    if len(body) > LARGEST:
        raise TooLarge(f"{queue}: a payload of {len(body):,} bytes, and {LARGEST:,} are the most; send it in parts")
    digest = hashlib.sha256(body).hexdigest()
    key = f"{prefix(organization, queue)}{cloud.clock.now():%Y/%m/%d}/{digest}.json"
    kms = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": cloud.names.key_arn(KEY), "BucketKeyEnabled": True}
    cloud.s3.put_object(
        Bucket=cloud.names.bucket,
        Key=key,
        Body=body,
        ContentType="application/json",
        **(kms if encrypted else {"ServerSideEncryption": "AES256"}),
    )
    return {"key": key, "bytes": len(body)}


def collect(cloud: Cloud, organization: str, queue: str, check: Any) -> bytes:
    """What was checked in, byte for byte. Raises InvalidClaim; what S3 itself refuses, a permission say, is raised."""
    key, size, digest = _read(organization, queue, check)
    try:
        held = cloud.s3.get_object(Bucket=cloud.names.bucket, Key=key)
    except cloud.s3.exceptions.NoSuchKey:
        raise InvalidClaim(f"there is nothing at {key} any more; it was kept for 60 days") from None
    if held["ContentLength"] != size:
        raise InvalidClaim(f"what is at {key} has {held['ContentLength']} bytes, and {size} were checked in")
    body: bytes = held["Body"].read()
    if hashlib.sha256(body).hexdigest() != digest:
        raise InvalidClaim(f"what is at {key} does not have the checksum that it is named by")
    return body


def _read(organization: str, queue: str, check: Any) -> tuple[str, int, str]:
    """Key, bytes and checksum. A message may name what is its own organization's and its own queue's, nothing else."""
    if not isinstance(check, Mapping) or not isinstance(check.get("key"), str) or type(check.get("bytes")) is not int:
        raise InvalidClaim('a claim check is {"key": text, "bytes": number}')
    key, size = check["key"], check["bytes"]
    named = re.fullmatch(rf"{re.escape(prefix(organization, queue))}\d{{4}}/\d\d/\d\d/([0-9a-f]{{64}})\.json", key)
    if not named:
        raise InvalidClaim(f"{key!r:.200} is no payload of {organization} in {queue}")
    if not 0 <= size <= LARGEST:
        raise InvalidClaim(f"{size} bytes are more than the {LARGEST:,} that are taken in")
    return key, size, named[1]
