"""Dead letters too large for an SQS message.

The event is stored in S3, and the message carries its key.

Key: `dead/<job>/large/<sha256>`. The `event` of such a dead letter is `{"kept": key}` until dead-letters stores it
whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

# Bytes that SQS accepts as a message.
MESSAGE_LIMIT = 1024 * 1024
# The field that carries the key in place of the event.
REFERENCE = "kept"


def folder(job: str) -> str:
    """Return the S3 prefix of a job's oversized events."""
    return f"dead/{job}/large/"


def encode(cloud: Cloud, letter: Mapping[str, Any]) -> str:
    """Return the message body for a dead letter.

    Its event is stored in S3 first where the body would be too large.
    """
    text = json.dumps({"dead": letter}, default=str)
    if len(text) <= MESSAGE_LIMIT:
        return text
    event = json.dumps(letter.get("event"), default=str).encode()
    key = f"{folder(letter['job'])}{hashlib.sha256(event).hexdigest()}"
    cloud.s3.put_object(Bucket=cloud.names.bucket, Key=key, Body=event, ContentType="application/json")
    return json.dumps({"dead": {**letter, "event": {REFERENCE: key}}}, default=str)


def decode(cloud: Cloud, body: Any, text: str) -> str:
    """Return the dead letter with its event, as JSON text.

    Body, text: of the message, parsed and as it came.
    """
    letter = body.get("dead") if isinstance(body, Mapping) else None
    event = letter.get("event") if isinstance(letter, Mapping) else None
    key = event.get(REFERENCE) if isinstance(event, Mapping) and event.keys() == {REFERENCE} else None
    if (
        not isinstance(letter, Mapping)
        or not isinstance(key, str)
        or not key.startswith(folder(str(letter.get("job"))))
    ):
        return text
    stored = cloud.s3.get_object(Bucket=cloud.names.bucket, Key=key)["Body"].read()
    return json.dumps({**body, "dead": {**letter, "event": json.loads(stored)}})
