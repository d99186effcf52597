"""The files that plugins share with the platform: one interface, kept on a disk or in S3.

Paths are as `permissions.normal` makes them. A folder is there for as long as a file is in it. Nothing here asks what a
plugin may do; that is asked before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    pass

LARGEST = 8 * 1024 * 1024
MOST_ENTRIES = 10_000


@dataclass(frozen=True, slots=True)
class Entry:
    """size: bytes, 0 of a folder. modified: seconds since 1970, 0 of a folder."""

    path: str
    kind: Literal["file", "folder"]
    size: int
    modified: float


class Workspace(Protocol):
    """Raises FileNotFoundError, IsADirectoryError and NotADirectoryError as a file system does; FsDenied for what is
    no plain file; ValueError for what is larger than `LARGEST`, or more than `MOST_ENTRIES`."""

    where: str

    def read(self, path: str) -> bytes: ...

    def write(self, path: str, data: bytes) -> None:
        """The whole file, or nothing of it: whoever reads sees what was there, or what is."""

    def append(self, path: str, data: bytes) -> None:
        """At the end, however many do so at once."""

    def list(self, path: str) -> list[Entry]:
        """What is directly in the folder, by name."""

    def stat(self, path: str) -> Entry: ...

    def delete(self, path: str) -> None:
        """One file, and with the last one of a folder the folder."""


def too_large(path: str, size: int) -> ValueError:
    return ValueError(f"{path}: {size:,} bytes are more than the {LARGEST:,} that a file of the workspace may have")
