"""Archive of an export: a zip file, a multipart upload to S3."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

# S3 accepts 10,000 parts of at least 5 MB each, except for the last.
PART = 8 * 1024 * 1024
# Characters with which a spreadsheet's formula begins, fullwidth forms included. Source: OWASP, "CSV Injection".
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
QUOTE = "'"
ABOUT = (
    "Each table is included as JSON and as CSV (RFC 4180, UTF-8, with a header). In CSV lists and maps are JSON; "
    "a text that begins with a quote or with a character that begins a formula is prefixed with a quote ('): "
    "remove one quote from each cell that begins with one to get the value."
)


def safe(value: Any) -> str:
    """Text of a cell that no spreadsheet executes as a formula.

    The value can be restored from it.
    """
    match value:
        case None:
            return ""
        case str():
            return f"{QUOTE}{value}" if value.startswith((QUOTE, *FORMULA)) else value
        case _:
            return json.dumps(value, ensure_ascii=False)


class Upload(io.RawIOBase):
    """Write-only file that is an S3 multipart upload.

    The object exists after `finish`.
    """

    def __init__(self, cloud: Cloud, key: str) -> None:
        self.cloud = cloud
        self.where: Any = {"Bucket": cloud.names.bucket, "Key": key}
        self.size = 0
        self._digest = hashlib.sha256()
        self._rest = bytearray()
        self._parts: list[Any] = []
        upload = cloud.s3.create_multipart_upload(**self.where, ContentType="application/zip")
        self._id = upload["UploadId"]

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._rest += data
        self._digest.update(data)
        self.size += len(data)
        while len(self._rest) >= PART:
            self._send(bytes(memoryview(self._rest)[:PART]))
            del self._rest[:PART]
        return len(data)

    def finish(self) -> str:
        """Complete the upload; returns the SHA-256 of the content in hex."""
        if self._rest or not self._parts:
            self._send(bytes(self._rest))
        self.cloud.s3.complete_multipart_upload(**self.where, UploadId=self._id, MultipartUpload={"Parts": self._parts})
        return self._digest.hexdigest()

    def abandon(self) -> None:
        self.cloud.s3.abort_multipart_upload(**self.where, UploadId=self._id)

    def _send(self, data: bytes) -> None:
        number = len(self._parts) + 1
        answer = self.cloud.s3.upload_part(**self.where, UploadId=self._id, PartNumber=number, Body=data)
        self._parts.append({"PartNumber": number, "ETag": answer["ETag"]})


@dataclass(slots=True)
class Archive:
    """Zip file with a manifest: `with Archive(upload, at).member(name) as file: file.write(bytes)`."""

    upload: Upload
    at: datetime
    """Timestamp of all members, so that the same rows make the same archive."""
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Size and hash of each member, for the manifest."""
    _zip: Any = None

    def __post_init__(self) -> None:
        self._zip = ZipFile(self.upload, "w", ZIP_DEFLATED)

    @contextmanager
    def member(self, name: str, key: str = "") -> Iterator[_Member]:
        """Add a file.

        key: the object's key, for the manifest, if the file's name differs from it.
        """
        info = ZipInfo(name, self.at.timetuple()[:6])
        info.compress_type, info.external_attr = ZIP_DEFLATED, 0o600 << 16
        with self._zip.open(info, "w", force_zip64=True) as opened:
            member = _Member(opened)
            yield member
        source = {"key": key} if key else {}
        self.files[name] = {"bytes": member.size, "sha256": member.digest.hexdigest(), **source}

    def table(self, name: str, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
        """Add a table's rows as CSV."""
        with self.member(f"{name}.csv") as file:
            text = io.StringIO(newline="")
            writer = csv.writer(text)
            writer.writerow(map(safe, columns))
            count = 0
            for row in rows:
                count += 1
                writer.writerow([safe(row.get(column)) for column in columns])
                file.write(text.getvalue().encode())
                text.seek(0)
                text.truncate()
            file.write(text.getvalue().encode())
        self.files[f"{name}.csv"]["rows"] = count

    def array(self, name: str, rows: Iterable[Mapping[str, Any]]) -> list[str]:
        """Add a table's rows as a JSON array.

        Returns the names of all their attributes.
        """
        columns: dict[str, None] = {"id": None}
        with self.member(f"{name}.json") as file:
            count = 0
            for count, row in enumerate(rows, 1):
                columns |= dict.fromkeys(row)
                file.write(("[\n" if count == 1 else ",\n").encode())
                file.write(json.dumps(row, ensure_ascii=False).encode())
            file.write(b"\n]\n" if count else b"[]\n")
        self.files[f"{name}.json"]["rows"] = count
        return list(columns)

    def close(self, **details: Any) -> str:
        """Add the manifest and complete the upload.

        Returns the archive's SHA-256 in hex.
        """
        manifest = {"about": ABOUT, **details, "files": self.files}
        with self.member("manifest.json") as file:
            file.write(json.dumps(manifest, indent=1, ensure_ascii=False).encode())
        self._zip.close()
        return self.upload.finish()


class _Member:
    def __init__(self, opened: IO[bytes]) -> None:
        self.opened = opened
        self.size = 0
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> None:
        self.opened.write(data)
        self.digest.update(data)
        self.size += len(data)
