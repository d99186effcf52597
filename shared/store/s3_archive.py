"""Archive of rows in S3: gzipped JSON Lines with a manifest.

Both are verified before the rows are deleted.

`archive/<table>/<yyyy>/<mm>/<first timestamp>-<digest>.jsonl.gz` and `.manifest.json`: docs/explain/archives.md.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.aws import permissions
from shared.aws.permissions import Grant
from shared.tables import Table

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

FOLDER = "archive"
FORM = 1


class ArchiveMismatch(OSError):
    """The object that was read back differs from the written one."""


def grants(table: Table) -> tuple[Grant, ...]:
    """Permissions to archive rows of the table."""
    pattern = f"{FOLDER}/{table.name}/*"
    return permissions.read_objects(pattern), permissions.write_objects(pattern)


def archive(cloud: Cloud, table: Table, rows: Sequence[Mapping[str, Any]], at: datetime) -> str:
    """Write rows with all their attributes, and verify the object.

    Returns its key. Raises ArchiveMismatch.

    rows: not empty. The same rows produce the same object, in any order.
    """
    lines = sorted(_line(table, row) for row in rows)
    text = "".join(f"{line}\n" for line in lines).encode()
    ages = sorted(str(row[index.sk]) for row in rows for index in table.indexes if index.sk in row)
    first, last = (ages[0], ages[-1]) if ages else ("", "")
    name = f"{first.translate({ord(mark): None for mark in '-:'}) or 'undated'}-{_sha256(text)[:16]}"
    place = f"{FOLDER}/{table.name}/{first[:4] or '0000'}/{first[5:7] or '00'}/{name}"
    # Without a time in the header, so that the bytes are the same each time.
    _create(cloud, f"{place}.jsonl.gz", gzip.compress(text, mtime=0), "application/gzip")
    packed = _read_back(cloud, f"{place}.jsonl.gz", text)
    manifest = {
        "form": FORM,
        "table": table.name,
        "object": f"{place}.jsonl.gz",
        "rows": len(lines),
        "first": first,
        "last": last,
        "bytes": len(packed),
        "sha256": _sha256(packed),
        "content_sha256": _sha256(text),
    }
    manifest_text = json.dumps({**manifest, "archived_at": clock.iso(at)}, indent=1).encode()
    _create(cloud, f"{place}.manifest.json", manifest_text, "application/json")
    if not _contains(_read(cloud, f"{place}.manifest.json"), manifest):
        raise ArchiveMismatch(f"{place}.manifest.json does not describe its archive; the rows stay. Move it away")
    return f"{place}.jsonl.gz"


def _contains(text: bytes, manifest: Mapping[str, Any]) -> bool:
    """Whether text is this manifest with any time.

    An interrupted run may have written it earlier.
    """
    try:
        read = json.loads(text)
    except ValueError:
        return False
    return isinstance(read, dict) and read.pop("archived_at", None) is not None and read == manifest


def _line(table: Table, row: Mapping[str, Any]) -> str:
    """Line of the archive, as `jobs.py load` reads it.

    `user` and `id`, then the fields, without index attributes.
    """
    left_out = {table.pk, table.sk, *(key for index in table.indexes for key in (index.pk, index.sk))}
    fields = {name: row[name] for name in sorted(row) if name not in left_out}
    line = {"user": row[table.pk], "id": row[table.sk], **fields}
    return json.dumps(line, ensure_ascii=False, separators=(",", ":"), default=_base64)


def _base64(value: Any) -> str:
    """Base64 text of a binary value, which JSON has no type for.

    All other types of attributes have one.
    """
    return base64.b64encode(value).decode()


def _create(cloud: Cloud, key: str, body: bytes, kind: str) -> None:
    try:
        cloud.s3.put_object(Bucket=cloud.names.bucket, Key=key, Body=body, ContentType=kind, IfNoneMatch="*")
    except cloud.s3.exceptions.ClientError as error:
        # Existing already, after an interrupted run or a lost reply: the object is verified next.
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 412:
            raise


def _read_back(cloud: Cloud, key: str, text: bytes) -> bytes:
    packed = _read(cloud, key)
    try:
        same = gzip.decompress(packed) == text
    except (OSError, EOFError):
        same = False
    if not same:
        raise ArchiveMismatch(f"{key} does not contain the archived rows; the rows stay. Inspect it, and move it away")
    return packed


def _read(cloud: Cloud, key: str) -> bytes:
    return cloud.s3.get_object(Bucket=cloud.names.bucket, Key=key)["Body"].read()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
