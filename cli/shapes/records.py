"""Shapes of `load`, `seed` and `sums`."""

from __future__ import annotations

from typing import NotRequired

from typing_extensions import TypedDict


class LoadedRecords(TypedDict):
    """The result of a load."""

    #: Kind of record, the name of its table.
    record: str
    #: Path of the file.
    file: str
    #: Lines that were read, without empty ones.
    lines: int
    #: Lines that were rejected.
    rejected: int
    #: Rows that were written; absent with --check.
    written: NotRequired[int]
    #: Rows that existed and were left unchanged; absent with --check.
    there: NotRequired[int]
    #: Path of the file with the rejected lines; null without any.
    rejects: str | None
    #: Duration in milliseconds.
    ms: int


class MessageSum(TypedDict):
    """Bytes and messages of a user in a day or week."""

    #: Id of the user.
    user: str
    #: Sort key of the rollup's row: `day#2026-11-20` or `week#2026-W47`.
    id: str
    #: Sum of the bytes.
    bytes_used: int
    #: Number of messages.
    messages: int
    #: With --compare: bytes and messages of the rollup; null without a row.
    stands: NotRequired[list[int] | None]
