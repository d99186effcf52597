"""What a run saw, kept in S3: dated objects that are never overwritten, and one pointer that only moves forward."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared import clock, redaction
from shared.aws.names import NO_TARGET

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

TRIES = 5


class ArtifactConflict(Exception):
    """The pointer moved under every one of our tries; the dated object is written all the same."""


class Artifacts:
    def __init__(self, cloud: Cloud, task: str) -> None:
        self.cloud = cloud
        self.task = task

    def write(self, record: Mapping[str, Any], host: str, at: datetime, run: str) -> str:
        """Write `<task>/<host>/<yyyy>/<mm>/<dd>/<run>.json`, then move `latest.json`. Returns the dated key.

        record needs kind, ok, status and ms; `at` and `host` are added. Everything is redacted on its way.
        """
        folder = f"{self.task}/{_segment(host)}"
        key = f"{folder}/{at:%Y/%m/%d}/{run}.json"
        body = json.dumps(redaction.data({**record, "at": clock.iso(at), "host": host}), indent=1).encode()
        try:
            self._put(key, body, IfNoneMatch="*")
        except self.cloud.s3.exceptions.ClientError as error:
            # A repeat after a lost reply finds the object that it wrote itself: run ids are unique.
            if _status(error) != 412:
                raise
        self._move(f"{folder}/latest.json", body, clock.iso(at))
        return key

    def _move(self, pointer: str, body: bytes, at: str) -> None:
        """Compare the pointer's own `at`, and write only over what was compared."""
        for _ in range(TRIES):
            condition = {"IfNoneMatch": "*"}
            try:
                held = self.cloud.s3.get_object(Bucket=self.cloud.names.bucket, Key=pointer)
            except self.cloud.s3.exceptions.ClientError as error:
                # Without permission to list, S3 says 403 for what is not there.
                if _status(error) not in (403, 404):
                    raise
            else:
                if json.loads(held["Body"].read())["at"] > at:
                    return
                condition = {"IfMatch": held["ETag"]}
            try:
                self._put(pointer, body, **condition)
            except self.cloud.s3.exceptions.ClientError as error:
                if _status(error) not in (404, 409, 412):
                    raise
            else:
                return
        raise ArtifactConflict(f"{pointer} moved {TRIES} times while it was being written")

    def _put(self, key: str, body: bytes, **condition: str) -> None:
        self.cloud.s3.put_object(
            Bucket=self.cloud.names.bucket,
            Key=key,
            Body=body,
            ContentType="application/json",
            **condition,  # type: ignore[arg-type]
        )


def _segment(host: str) -> str:
    """A host, or host:port, as one step of a key; nothing that could climb out of its folder."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", host).strip(".") or NO_TARGET


def _status(error: Any) -> int:
    return int(error.response["ResponseMetadata"]["HTTPStatusCode"])
