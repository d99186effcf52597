"""S3 in memory: one bucket of objects, conditional writes, multipart uploads."""

from __future__ import annotations

import hashlib
import io
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from proof.world.aws_errors import client_error

# Of each part but the last.
MIN_PART_BYTES = 5 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object. Equal bytes have equal ETags."""

    body: bytes
    etag: str
    modified: datetime
    content_type: str = "binary/octet-stream"
    metadata: Mapping[str, str] = field(default_factory=dict)


class MemoryS3:
    """The artifacts bucket.

    Requests and responses are those of boto3's client.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self.objects: dict[str, StoredObject] = {}
        self.uploads: dict[str, dict[int, bytes]] = {}
        self._upload_ids = itertools.count(1)

    def call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Perform an operation, such as `PutObject`. Raises ClientError."""
        handler: Callable[[Mapping[str, Any]], dict[str, Any]] | None = getattr(self, f"_{operation}", None)
        if handler is None:
            raise NotImplementedError(f"S3 in memory does not have {operation}")
        return handler(request)

    def _GetObject(self, request: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802 - AWS's names
        stored = self._stored("GetObject", request["Key"])
        return {**_facts(stored), "Body": _Body(stored.body)}

    def _HeadObject(self, request: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        key = request["Key"]
        if key not in self.objects:
            raise client_error("HeadObject", "404", "Not Found", 404)
        return _facts(self.objects[key])

    def _PutObject(self, request: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        key, body = request["Key"], request.get("Body", b"")
        content = body.encode() if isinstance(body, str) else body if isinstance(body, bytes) else body.read()
        self._check_conditions("PutObject", key, request)
        stored = self._store(key, content, request)
        return {"ETag": stored.etag}

    def _DeleteObject(self, request: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        self.objects.pop(request["Key"], None)
        return {}

    def _DeleteObjects(self, request: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        keys = [each["Key"] for each in request["Delete"]["Objects"]]
        if len(keys) > 1000:
            raise client_error("DeleteObjects", "MalformedXML", "more than 1,000 keys")
        for key in keys:
            self.objects.pop(key, None)
        return {} if request["Delete"].get("Quiet") else {"Deleted": [{"Key": key} for key in keys]}

    def _ListObjectsV2(self, request: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        prefix, delimiter = request.get("Prefix", ""), request.get("Delimiter", "")
        after = request.get("ContinuationToken") or request.get("StartAfter", "")
        limit = min(request.get("MaxKeys", 1000), 1000)
        if limit == 0:
            # Not truncated, whatever there is.
            return {"KeyCount": 0, "IsTruncated": False}
        contents: list[dict[str, Any]] = []
        prefixes: dict[str, None] = {}
        last = ""
        for key in sorted(key for key in self.objects if key.startswith(prefix) and key > after):
            folder, found, _ = key[len(prefix) :].partition(delimiter) if delimiter else (key, "", "")
            shared = f"{prefix}{folder}{delimiter}" if found else ""
            if shared and (shared in prefixes or shared <= after):
                last = key
                continue
            if len(contents) + len(prefixes) == limit:
                return {**_listing(contents, prefixes), "IsTruncated": True, "NextContinuationToken": last}
            last = key
            if shared:
                prefixes[shared] = None
            else:
                stored = self.objects[key]
                size = len(stored.body)
                contents.append({"Key": key, "Size": size, "ETag": stored.etag, "LastModified": stored.modified})
        return {**_listing(contents, prefixes), "IsTruncated": False}

    def _CreateMultipartUpload(self, request: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        upload = f"upload-{next(self._upload_ids)}"
        self.uploads[upload] = {}
        return {"UploadId": upload, "Key": request["Key"]}

    def _UploadPart(self, request: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        parts = self._parts("UploadPart", request)
        body = request["Body"]
        content = bytes(body if isinstance(body, bytes | bytearray | memoryview) else body.read())
        parts[request["PartNumber"]] = content
        return {"ETag": _etag(content)}

    def _CompleteMultipartUpload(self, request: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        parts = self._parts("CompleteMultipartUpload", request)
        self._check_conditions("CompleteMultipartUpload", request["Key"], request)
        numbers = [part["PartNumber"] for part in request["MultipartUpload"]["Parts"]]
        if any(len(parts[number]) < MIN_PART_BYTES for number in numbers[:-1]):
            raise client_error("CompleteMultipartUpload", "EntityTooSmall", "a part but the last has at least 5 MiB")
        stored = self._store(request["Key"], b"".join(parts[number] for number in numbers), request)
        del self.uploads[request["UploadId"]]
        return {"ETag": stored.etag, "Key": request["Key"]}

    def _AbortMultipartUpload(self, request: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        self._parts("AbortMultipartUpload", request)
        del self.uploads[request["UploadId"]]
        return {}

    def _ListMultipartUploads(self, request: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        return {"Uploads": [{"UploadId": upload} for upload in self.uploads]}

    def _stored(self, operation: str, key: str) -> StoredObject:
        if key not in self.objects:
            raise client_error(operation, "NoSuchKey", "The specified key does not exist.", 404)
        return self.objects[key]

    def _parts(self, operation: str, request: Mapping[str, Any]) -> dict[int, bytes]:
        if request["UploadId"] not in self.uploads:
            raise client_error(operation, "NoSuchUpload", "The specified upload does not exist.", 404)
        return self.uploads[request["UploadId"]]

    def _check_conditions(self, operation: str, key: str, request: Mapping[str, Any]) -> None:
        stored = self.objects.get(key)
        expected = request.get("IfMatch")
        if expected and stored is None:
            raise client_error(operation, "NoSuchKey", "The specified key does not exist.", 404)
        if (request.get("IfNoneMatch") == "*" and stored) or (expected and stored and stored.etag != expected):
            raise client_error(operation, "PreconditionFailed", "A precondition does not hold.", 412)

    def _store(self, key: str, content: bytes, request: Mapping[str, Any]) -> StoredObject:
        kind, metadata = request.get("ContentType", "binary/octet-stream"), dict(request.get("Metadata", {}))
        stored = self.objects[key] = StoredObject(content, _etag(content), self.now(), kind, metadata)
        return stored


class RoleS3:
    """S3 for a process whose role may not list the whole bucket.

    A missing object is answered as a denied one:
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
    """

    def __init__(self, s3: MemoryS3) -> None:
        self.s3 = s3

    def call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        if operation in ("GetObject", "HeadObject") and request["Key"] not in self.s3.objects:
            # A HEAD has no body, so its code is the status.
            code = "403" if operation == "HeadObject" else "AccessDenied"
            raise client_error(operation, code, "not authorized to perform: s3:ListBucket", 403)
        return self.s3.call(operation, request)


class _Body(io.BytesIO):
    """A body with the methods of botocore's StreamingBody."""

    def iter_chunks(self, chunk_size: int = 1024) -> Any:
        return iter(lambda: self.read(chunk_size), b"")


def _etag(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


def _facts(stored: StoredObject) -> dict[str, Any]:
    return {
        "ContentLength": len(stored.body),
        "ContentType": stored.content_type,
        "ETag": stored.etag,
        "LastModified": stored.modified,
        "Metadata": dict(stored.metadata),
    }


def _listing(contents: list[dict[str, Any]], prefixes: Mapping[str, None]) -> dict[str, Any]:
    answer: dict[str, Any] = {"KeyCount": len(contents) + len(prefixes)}
    if contents:
        answer["Contents"] = contents
    if prefixes:
        answer["CommonPrefixes"] = [{"Prefix": prefix} for prefix in prefixes]
    return answer
