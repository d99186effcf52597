"""Results of effects, in rows or in S3; and idempotency tokens."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.aws.names import Names

# Bytes. A result up to this length is stored in its row; an object in S3 costs as much as 8 write units.
INLINE_RESULT = 7 * 1024
NAMESPACE = uuid.UUID("6f1c2d0e-5b0a-4c53-9d5b-2f5e0c7a9f11")


def token(names: Names, job: str, key: str) -> str:
    """Return the idempotency token of an effect.

    The same on each attempt, different per stage, job and key.
    """
    return str(uuid.uuid5(NAMESPACE, f"{names.account}/{names.of(job)}/{key}"))


def object_key(names: Names, job: str, key: str, nonce: str) -> str:
    """Return the S3 key of a large result."""
    return f"effects/{job}/{token(names, job, key)}/{nonce}.json"


def store(cloud: Cloud, job: str, key: str, nonce: str, result: Any) -> tuple[str, str]:
    """Return the attribute that holds or names the result, and its value.

    Raises TypeError for other than JSON data.
    """
    text = json.dumps(result, separators=(",", ":"))
    if len(text.encode()) <= INLINE_RESULT:
        return "result", text
    # Stored before the confirmation: the object proves that the call returned, and with what.
    name = object_key(cloud.names, job, key, nonce)
    cloud.s3.put_object(Bucket=cloud.names.bucket, Key=name, Body=text.encode(), ContentType="application/json")
    return "object", name


def load(cloud: Cloud, row: Mapping[str, Any]) -> Any:
    """Return the result of a confirmed effect from its row."""
    if "object" in row:
        body = cloud.s3.get_object(Bucket=cloud.names.bucket, Key=row["object"])["Body"].read()
        return json.loads(body)
    return json.loads(row["result"])
