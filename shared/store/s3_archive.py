"""Rows that are moved to S3: JSON Lines in gzip with a manifest beside it, read back before anybody deletes them.

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


class NotKept(OSError):
    """What was read back is not what was written."""


def grants(table: Table) -> tuple[Grant, ...]:
    place = f"{FOLDER}/{table.name}/*"
    return permissions.read_objects(place), permissions.write_objects(place)


def keep(cloud: Cloud, table: Table, found: Sequence[Mapping[str, Any]], at: datetime) -> str:
    """Write these rows, all their attributes, and verify it. Returns the object's key. Raises NotKept.

    found: not empty. The same rows make the same object, however often and in whatever order.
    """
    lines = sorted(_line(table, row) for row in found)
    text = "".join(f"{line}\n" for line in lines).encode()
    ages = sorted(str(row[index.sk]) for row in found for index in table.indexes if index.sk in row)
    first, last = (ages[0], ages[-1]) if ages else ("", "")
    name = f"{first.translate({ord(mark): None for mark in '-:'}) or 'undated'}-{_sha256(text)[:16]}"
    place = f"{FOLDER}/{table.name}/{first[:4] or '0000'}/{first[5:7] or '00'}/{name}"
    # No time in the header: the same bytes each time.
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
    told = json.dumps({**manifest, "archived_at": clock.iso(at)}, indent=1).encode()
    _create(cloud, f"{place}.manifest.json", told, "application/json")
    if not _says(_read(cloud, f"{place}.manifest.json"), manifest):
        raise NotKept(f"{place}.manifest.json does not say what its archive holds; its rows stay. Move it away")
    return f"{place}.jsonl.gz"


def _says(told: bytes, manifest: Mapping[str, Any]) -> bool:
    """Whether it is this manifest, of whatever instant: one of a run that died says the same, and was earlier."""
    try:
        said = json.loads(told)
    except ValueError:
        return False
    return isinstance(said, dict) and said.pop("archived_at", None) is not None and said == manifest


def _line(table: Table, row: Mapping[str, Any]) -> str:
    """As `jobs.py load` takes it: `user` and `id`, then the fields, without the places in indexes."""
    beside = {table.pk, table.sk, *(key for index in table.indexes for key in (index.pk, index.sk))}
    fields = {name: row[name] for name in sorted(row) if name not in beside}
    line = {"user": row[table.pk], "id": row[table.sk], **fields}
    return json.dumps(line, ensure_ascii=False, separators=(",", ":"), default=_base64)


def _base64(value: Any) -> str:
    """Of what a row holds JSON lacks nothing but this."""
    return base64.b64encode(value).decode()


def _create(cloud: Cloud, key: str, body: bytes, kind: str) -> None:
    try:
        cloud.s3.put_object(Bucket=cloud.names.bucket, Key=key, Body=body, ContentType=kind, IfNoneMatch="*")
    except cloud.s3.exceptions.ClientError as error:
        # There already, from a run that died or a reply that was lost: what matters is what is read back.
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 412:
            raise


def _read_back(cloud: Cloud, key: str, text: bytes) -> bytes:
    packed = _read(cloud, key)
    try:
        same = gzip.decompress(packed) == text
    except (OSError, EOFError):
        same = False
    if not same:
        raise NotKept(f"{key} does not hold what was to be archived; its rows stay. Look at it, and move it away")
    return packed


def _read(cloud: Cloud, key: str) -> bytes:
    return cloud.s3.get_object(Bucket=cloud.names.bucket, Key=key)["Body"].read()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
