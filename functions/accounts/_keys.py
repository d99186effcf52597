"""Where in the bucket exports lie, while they are made and after."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.tables import EXPORTED, MAIL


def folder_of(user: str) -> str:
    """Ids have no `/`: it is nobody else's."""
    return f"{EXPORTED}{user}/"


def archive_of(user: str, export: str) -> str:
    return f"{folder_of(user)}{export}.zip"


def part_of(user: str, export: str, table: str, number: int) -> str:
    """Rows as they were read, lines of JSON."""
    return f"{folder_of(user)}{export}/{table}-{number:06d}.jsonl"


def objects_of(row: Mapping[str, Any]) -> list[str]:
    """All that an export may have written, as its row says; of each table also the part that was not noted yet."""
    user, export, parts = row["pk"], row["sk"], row.get("parts", {})
    found = [
        part_of(user, export, table.name, number) for table in MAIL for number in range(parts.get(table.name, 0) + 1)
    ]
    return [archive_of(user, export), *found]
