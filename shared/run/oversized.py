"""A message may be as large as the letter that would hold it: then the letter names an object that does.

`dead/<job>/large/<sha256>`; the letter's `event` is `{"kept": key}` until the store has made one of both.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

# Of SQS, in bytes.
LIMIT = 1024 * 1024
KEPT = "kept"


def folder(job: str) -> str:
    return f"dead/{job}/large/"


def fit(cloud: Cloud, letter: Mapping[str, Any]) -> str:
    """The message that carries the letter."""
    text = json.dumps({"dead": letter}, default=str)
    if len(text) <= LIMIT:
        return text
    event = json.dumps(letter.get("event"), default=str).encode()
    key = f"{folder(letter['job'])}{hashlib.sha256(event).hexdigest()}"
    cloud.s3.put_object(
        Bucket=cloud.names.bucket, Key=key, Body=event, ContentType="application/json", ServerSideEncryption="AES256"
    )
    return json.dumps({"dead": {**letter, "event": {KEPT: key}}}, default=str)


def whole(cloud: Cloud, body: Any, text: str) -> str:
    """The letter with its event in it, from the message that carried it."""
    letter = body.get("dead") if isinstance(body, Mapping) else None
    event = letter.get("event") if isinstance(letter, Mapping) else None
    key = event.get(KEPT) if isinstance(event, Mapping) and event.keys() == {KEPT} else None
    if (
        not isinstance(letter, Mapping)
        or not isinstance(key, str)
        or not key.startswith(folder(str(letter.get("job"))))
    ):
        return text
    held = cloud.s3.get_object(Bucket=cloud.names.bucket, Key=key)["Body"].read()
    return json.dumps({**body, "dead": {**letter, "event": json.loads(held)}})
