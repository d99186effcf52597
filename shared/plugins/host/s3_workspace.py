"""A workspace in the bucket of the deployment, below `workspace/`."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from shared.plugins.host.workspace import LARGEST, PAGE, WorkspaceEntry, too_large

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

PREFIX = "workspace/"
ATTEMPTS = 8
# Statuses of S3 for a failed condition of a write, and for two such writes at the same time.
CONFLICTS = (404, 409, 412)


class S3Workspace:
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
            self._refuse_conflicts(path)
        self._put(path, data)

    def append(self, path: str, data: bytes) -> None:
        for _ in range(ATTEMPTS):
            try:
                content, tag = self._get(path)
                condition = {"IfMatch": tag}
            except FileNotFoundError:
                content, condition = b"", {"IfNoneMatch": "*"}
            if len(content) + len(data) > LARGEST:
                raise too_large(path, len(content) + len(data))
            try:
                return self._put(path, content + data, **condition)
            except self.cloud.s3.exceptions.ClientError as error:
                if _status(error) not in CONFLICTS:
                    raise
        raise OSError(errno.EAGAIN, f"it changed {ATTEMPTS} times during the append", path)

    def list(self, path: str, after: str = "") -> list[WorkspaceEntry]:
        # After a folder, the keys below it are skipped too.
        begin = f"{after}\U0010ffff" if after.endswith("/") else after or f"{path}/"
        answer = self.cloud.s3.list_objects_v2(
            Bucket=self.bucket,
            Prefix=f"{PREFIX}{path}/",
            Delimiter="/",
            MaxKeys=PAGE,
            StartAfter=PREFIX + begin,
        )
        entries = [
            WorkspaceEntry(item["Key"].removeprefix(PREFIX), "file", item["Size"], item["LastModified"].timestamp())
            for item in answer.get("Contents", [])
        ]
        folders = (item["Prefix"].removeprefix(PREFIX).rstrip("/") for item in answer.get("CommonPrefixes", []))
        entries.extend(WorkspaceEntry(folder, "folder", 0, 0) for folder in folders)
        if not entries and not after:
            if self._head(path) is not None:
                raise NotADirectoryError(errno.ENOTDIR, "is a file", path)
            raise FileNotFoundError(errno.ENOENT, "there is no such folder", path)
        return sorted(entries, key=lambda entry: entry.place)

    def stat(self, path: str) -> WorkspaceEntry:
        head = self._head(path)
        if head is not None:
            return WorkspaceEntry(path, "file", head["ContentLength"], head["LastModified"].timestamp())
        if self._is_folder(path):
            return WorkspaceEntry(path, "folder", 0, 0)
        self._not_below_a_file(path)
        raise FileNotFoundError(errno.ENOENT, "there is no such file", path)

    def delete(self, path: str) -> None:
        if self.stat(path).kind == "folder":
            raise IsADirectoryError(errno.EISDIR, "is a folder", path)
        self.cloud.s3.delete_object(Bucket=self.bucket, Key=PREFIX + path)

    def delete_many(self, paths: Sequence[str]) -> None:
        if not paths:
            return
        answer = self.cloud.s3.delete_objects(
            Bucket=self.bucket, Delete={"Objects": [{"Key": PREFIX + path} for path in paths], "Quiet": True}
        )
        for error in answer.get("Errors", []):
            raise OSError(errno.EIO, f"S3: {error['Code']}", error["Key"].removeprefix(PREFIX))

    def _get(self, path: str) -> tuple[bytes, str]:
        try:
            answer = self.cloud.s3.get_object(Bucket=self.bucket, Key=PREFIX + path)
        except self.cloud.s3.exceptions.ClientError as error:
            if _status(error) not in (403, 404):
                raise
            self._refuse_conflicts(path)
            raise FileNotFoundError(errno.ENOENT, "there is no such file", path) from None
        if answer["ContentLength"] > LARGEST:
            raise too_large(path, answer["ContentLength"])
        return answer["Body"].read(), answer["ETag"]

    def _put(self, path: str, data: bytes, **condition: Any) -> None:
        self.cloud.s3.put_object(Bucket=self.bucket, Key=PREFIX + path, Body=data, **condition)

    def _head(self, path: str) -> Any:
        """None without such an object.

        Without permission to list, S3 answers 403 instead of 404.
        """
        try:
            return self.cloud.s3.head_object(Bucket=self.bucket, Key=PREFIX + path)
        except self.cloud.s3.exceptions.ClientError as error:
            if _status(error) not in (403, 404):
                raise
            return None

    def _is_folder(self, path: str) -> bool:
        listed = self.cloud.s3.list_objects_v2(Bucket=self.bucket, Prefix=f"{PREFIX}{path}/", MaxKeys=1)
        return bool(listed.get("Contents"))

    def _refuse_conflicts(self, path: str) -> None:
        """Refuse a file and a folder with the same name, unlike S3."""
        if self._is_folder(path):
            raise IsADirectoryError(errno.EISDIR, "is a folder", path)
        self._not_below_a_file(path)

    def _not_below_a_file(self, path: str) -> None:
        """Raises NotADirectoryError if a parent of the path is a file."""
        parts = path.split("/")[:-1]
        for end in range(1, len(parts) + 1):
            if self._head("/".join(parts[:end])) is not None:
                raise NotADirectoryError(errno.ENOTDIR, f"{'/'.join(parts[:end])} is a file", path)


def _status(error: Any) -> int:
    return int(error.response["ResponseMetadata"]["HTTPStatusCode"])
