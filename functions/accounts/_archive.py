"""The archive of an export: a zip that is written to S3 as it is made, in parts, and never held as a whole."""

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

# S3 takes 10,000 parts, of 5 MB at least but for the last.
PART = 8 * 1024 * 1024
# What a spreadsheet takes for the beginning of a formula, in any of its widths. Source: OWASP, "CSV Injection".
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
QUOTE = "'"
ABOUT = (
    "Each table is there twice, as JSON and as CSV (RFC 4180, UTF-8, with a header). In CSV lists and maps are JSON; "
    "a text that begins with a quote, or with what a spreadsheet takes for a formula, has one quote (') put before it: "
    "take one away from each cell that begins with one to have the value."
)


def safe(value: Any) -> str:
    """A cell: no spreadsheet takes it for a formula, and nothing of it is lost."""
    match value:
        case None:
            return ""
        case str():
            return f"{QUOTE}{value}" if value.startswith((QUOTE, *FORMULA)) else value
        case _:
            return json.dumps(value, ensure_ascii=False)


class Upload(io.RawIOBase):
    """A file that can only be written, from front to back, to an object. Nothing is there until `finish`."""

    def __init__(self, cloud: Cloud, key: str) -> None:
        self.cloud = cloud
        self.where: Any = {"Bucket": cloud.names.bucket, "Key": key}
        self.size = 0
        self._digest = hashlib.sha256()
        self._rest = bytearray()
        self._parts: list[Any] = []
        made = cloud.s3.create_multipart_upload(
            **self.where, ContentType="application/zip", ServerSideEncryption="AES256"
        )
        self._id = made["UploadId"]

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
        """The sha256 of what was written, in hex."""
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
    """`with Archive(upload, at).member(name) as write: write(bytes)`; what was written is told in the manifest.

    at: of all that is in it, so that the same rows make the same archive.
    """

    upload: Upload
    at: datetime
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    _zip: Any = None

    def __post_init__(self) -> None:
        self._zip = ZipFile(self.upload, "w", ZIP_DEFLATED)

    @contextmanager
    def member(self, name: str) -> Iterator[_Member]:
        info = ZipInfo(name, self.at.timetuple()[:6])
        info.compress_type, info.external_attr = ZIP_DEFLATED, 0o600 << 16
        with self._zip.open(info, "w", force_zip64=True) as opened:
            made = _Member(opened)
            yield made
        self.files[name] = {"bytes": made.size, "sha256": made.digest.hexdigest()}

    def table(self, name: str, found: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
        """A table's rows as CSV."""
        with self.member(f"{name}.csv") as file:
            text = io.StringIO(newline="")
            writer = csv.writer(text)
            writer.writerow(map(safe, columns))
            count = 0
            for row in found:
                count += 1
                writer.writerow([safe(row.get(column)) for column in columns])
                file.write(text.getvalue().encode())
                text.seek(0)
                text.truncate()
            file.write(text.getvalue().encode())
        self.files[f"{name}.csv"]["rows"] = count

    def array(self, name: str, found: Iterable[Mapping[str, Any]]) -> list[str]:
        """A table's rows as a JSON array; returns all the names that they have."""
        columns: dict[str, None] = {"id": None}
        with self.member(f"{name}.json") as file:
            count = 0
            for count, row in enumerate(found, 1):
                columns |= dict.fromkeys(row)
                file.write(("[\n" if count == 1 else ",\n").encode())
                file.write(json.dumps(row, ensure_ascii=False).encode())
            file.write(b"\n]\n" if count else b"[]\n")
        self.files[f"{name}.json"]["rows"] = count
        return list(columns)

    def close(self, **told: Any) -> str:
        """Add the manifest and end the archive; its sha256 in hex."""
        with self.member("manifest.json") as file:
            file.write(json.dumps({"about": ABOUT, **told, "files": self.files}, indent=1, ensure_ascii=False).encode())
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
