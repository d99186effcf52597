"""A workspace in the deployment's bucket, below `workspace/`."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from shared.plugins.host.workspace import LARGEST, MOST_ENTRIES, Entry, too_large

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

PREFIX = "workspace/"
TRIES = 8
# What S3 says where a condition of a write does not hold, or where two such writes meet.
MEANWHILE = (404, 409, 412)


class Bucket:
    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.bucket = cloud.names.bucket
        self.where = f"s3://{self.bucket}/{PREFIX.rstrip('/')}"

    def read(self, path: str) -> bytes:
        data, _ = self._get(path)
        return data

    def write(self, path: str, data: bytes) -> None:
        if len(data) > LARGEST:
            raise too_large(path, len(data))
        if self._head(path) is None:
            self._explain(path)
        self._put(path, data)

    def append(self, path: str, data: bytes) -> None:
        for _ in range(TRIES):
            try:
                held, tag = self._get(path)
                condition = {"IfMatch": tag}
            except FileNotFoundError:
                held, condition = b"", {"IfNoneMatch": "*"}
            if len(held) + len(data) > LARGEST:
                raise too_large(path, len(held) + len(data))
            try:
                return self._put(path, held + data, **condition)
            except self.cloud.s3.exceptions.ClientError as error:
                if _status(error) not in MEANWHILE:
                    raise
        raise OSError(errno.EAGAIN, f"it changed {TRIES} times while a line was being added", path)

    def list(self, path: str) -> list[Entry]:
        found: list[Entry] = []
        pages = self.cloud.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=f"{PREFIX}{path}/", Delimiter="/"
        )
        for page in pages:
            for item in page.get("Contents", []):
                modified = item["LastModified"].timestamp()
                found.append(Entry(item["Key"].removeprefix(PREFIX), "file", item["Size"], modified))
            folders = (item["Prefix"].removeprefix(PREFIX).rstrip("/") for item in page.get("CommonPrefixes", []))
            found.extend(Entry(folder, "folder", 0, 0) for folder in folders)
            if len(found) > MOST_ENTRIES:
                raise ValueError(f"{path}: has more than {MOST_ENTRIES:,} entries")
        if not found:
            if self._head(path) is not None:
                raise NotADirectoryError(errno.ENOTDIR, "is a file", path)
            raise FileNotFoundError(errno.ENOENT, "there is no such folder", path)
        return sorted(found, key=lambda entry: entry.path)

    def stat(self, path: str) -> Entry:
        head = self._head(path)
        if head is not None:
            return Entry(path, "file", head["ContentLength"], head["LastModified"].timestamp())
        if self._is_folder(path):
            return Entry(path, "folder", 0, 0)
        self._not_below_a_file(path)
        raise FileNotFoundError(errno.ENOENT, "there is no such file", path)

    def delete(self, path: str) -> None:
        if self.stat(path).kind == "folder":
            raise IsADirectoryError(errno.EISDIR, "is a folder", path)
        self.cloud.s3.delete_object(Bucket=self.bucket, Key=PREFIX + path)

    def _get(self, path: str) -> tuple[bytes, str]:
        try:
            held = self.cloud.s3.get_object(Bucket=self.bucket, Key=PREFIX + path)
        except self.cloud.s3.exceptions.ClientError as error:
            if _status(error) not in (403, 404):
                raise
            self._explain(path)
            raise FileNotFoundError(errno.ENOENT, "there is no such file", path) from None
        if held["ContentLength"] > LARGEST:
            raise too_large(path, held["ContentLength"])
        return held["Body"].read(), held["ETag"]

    def _put(self, path: str, data: bytes, **condition: Any) -> None:
        self.cloud.s3.put_object(Bucket=self.bucket, Key=PREFIX + path, Body=data, **condition)

    def _head(self, path: str) -> Any:
        """None where there is no such object; S3 says 403 for that where it may not be listed either."""
        try:
            return self.cloud.s3.head_object(Bucket=self.bucket, Key=PREFIX + path)
        except self.cloud.s3.exceptions.ClientError as error:
            if _status(error) not in (403, 404):
                raise
            return None

    def _is_folder(self, path: str) -> bool:
        listed = self.cloud.s3.list_objects_v2(Bucket=self.bucket, Prefix=f"{PREFIX}{path}/", MaxKeys=1)
        return bool(listed.get("Contents"))

    def _explain(self, path: str) -> None:
        """What else stands in the way: S3 has room for a file and a folder of one name, and a disk has not."""
        if self._is_folder(path):
            raise IsADirectoryError(errno.EISDIR, "is a folder", path)
        self._not_below_a_file(path)

    def _not_below_a_file(self, path: str) -> None:
        parts = path.split("/")[:-1]
        for end in range(1, len(parts) + 1):
            if self._head("/".join(parts[:end])) is not None:
                raise NotADirectoryError(errno.ENOTDIR, f"{'/'.join(parts[:end])} is a file", path)


def _status(error: Any) -> int:
    return int(error.response["ResponseMetadata"]["HTTPStatusCode"])
