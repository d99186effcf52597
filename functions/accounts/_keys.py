"""S3 keys of exports: the archive, and its source pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.tables import EXPORTED, MAIL


def folder_of(user: str) -> str:
    """Folder of one user's exports.

    Ids contain no `/`, so it contains no other user's.
    """
    return f"{EXPORTED}{user}/"


def archive_of(user: str, export: str) -> str:
    return f"{folder_of(user)}{export}.zip"


def part_of(user: str, export: str, table: str, number: int) -> str:
    """Key of one page of collected rows, as lines of JSON."""
    return f"{folder_of(user)}{export}/{table}-{number:06d}.jsonl"


def objects_of(row: Mapping[str, Any]) -> list[str]:
    """Keys of all objects of an export.

    Includes one page more of each table: the row may not record it yet.
    """
    user, export, parts = row["pk"], row["sk"], row.get("parts", {})
    pages = [
        part_of(user, export, table.name, number) for table in MAIL for number in range(parts.get(table.name, 0) + 1)
    ]
    return [archive_of(user, export), *pages]
