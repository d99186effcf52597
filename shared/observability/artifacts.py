"""Artifacts of runs in S3: dated objects, and a pointer.

A dated object is never overwritten, and the pointer never moves to an older one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from shared import clock, redaction
from shared.aws.names import NO_TARGET

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

# Attempts to move the pointer against concurrent writers.
TRIES = 5


class ArtifactConflict(Exception):
    """Other writers moved the pointer; the dated object is written."""


class Pointer(NamedTuple):
    """A version of `latest.json` that this task has written."""

    #: Timestamp of its record.
    at: str
    #: S3's ETag.
    etag: str


class Written(NamedTuple):
    """Result of a write."""

    #: Key of the dated object.
    key: str
    #: The pointer; None where a newer one stands.
    pointer: Pointer | None


class Artifacts:
    """The artifacts of one task."""

    def __init__(self, cloud: Cloud, task: str) -> None:
        self.cloud = cloud
        self.task = task

    def write(
        self, record: Mapping[str, Any], host: str, at: datetime, run: str, last: Pointer | None = None
    ) -> Written:
        """Write `<task>/<host>/<yyyy>/<mm>/<dd>/<run>.json`, then move `latest.json`.

        record: with kind, ok, status and ms; `at` and `host` are added, and all of it is redacted. last: the pointer as
        an earlier write left it, which saves reading it; it may be outdated.
        """
        folder = f"{self.task}/{_segment(host)}"
        key = f"{folder}/{at:%Y/%m/%d}/{run}.json"
        body = json.dumps(redaction.data({**record, "at": clock.iso(at), "host": host}), indent=1).encode()
        try:
            self._put(key, body, IfNoneMatch="*")
        except self.cloud.s3.exceptions.ClientError as error:
            # The SDK repeated a request whose reply was lost: the object is our own, since run ids are unique.
            if _status(error) != 412:
                raise
        pointer = f"{folder}/latest.json"
        etag = (self._replace(pointer, body, clock.iso(at), last) if last else "") or self._move(
            pointer, body, clock.iso(at)
        )
        return Written(key, Pointer(clock.iso(at), etag) if etag else None)

    def _replace(self, pointer: str, body: bytes, at: str, last: Pointer) -> str:
        """Overwrite the pointer that an earlier write left.

        Returns its new ETag, "" where a read has to decide.
        """
        if at < last.at:
            return ""
        try:
            return self._put(pointer, body, IfMatch=last.etag)
        except self.cloud.s3.exceptions.ClientError as error:
            if _status(error) not in (404, 409, 412):
                raise
        return ""

    def _move(self, pointer: str, body: bytes, at: str) -> str:
        """Overwrite an older pointer, unless it has changed since it was read.

        Returns its new ETag, "" where a newer one stands.
        """
        for _ in range(TRIES):
            condition = {"IfNoneMatch": "*"}
            try:
                current = self.cloud.s3.get_object(Bucket=self.cloud.names.bucket, Key=pointer)
            except self.cloud.s3.exceptions.ClientError as error:
                # Without permission to list the bucket, S3 answers 403 for a missing object.
                if _status(error) not in (403, 404):
                    raise
            else:
                # One ahead of the clock was written by a machine with a wrong clock: it must not stand until then.
                ahead = clock.iso(self.cloud.clock.now() + clock.FURTHEST_AHEAD)
                if at < json.loads(current["Body"].read())["at"] <= ahead:
                    return ""
                condition = {"IfMatch": current["ETag"]}
            try:
                return self._put(pointer, body, **condition)
            except self.cloud.s3.exceptions.ClientError as error:
                if _status(error) not in (404, 409, 412):
                    raise
        raise ArtifactConflict(f"{pointer} moved {TRIES} times while it was being written")

    def _put(self, key: str, body: bytes, **condition: str) -> str:
        answer = self.cloud.s3.put_object(
            Bucket=self.cloud.names.bucket,
            Key=key,
            Body=body,
            ContentType="application/json",
            **condition,  # type: ignore[arg-type]
        )
        return answer["ETag"]


def _segment(host: str) -> str:
    """A host, or host:port, as one safe segment of a key."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", host).strip(".") or NO_TARGET


def _status(error: Any) -> int:
    return int(error.response["ResponseMetadata"]["HTTPStatusCode"])
