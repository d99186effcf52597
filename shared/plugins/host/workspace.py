"""The workspace interface.

Files that plugins share with the platform, on a disk or in S3.

Paths have the form that `permissions.normal` returns. A folder exists while it contains a file. Permissions are checked
by the broker, not here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

LARGEST = 8 * 1024 * 1024
MAX_ENTRIES = 10_000


@dataclass(frozen=True, slots=True)
class WorkspaceEntry:
    path: str
    kind: Literal["file", "folder"]
    #: Bytes, 0 for a folder.
    size: int
    #: Seconds since 1970, 0 for a folder.
    modified: float


class Workspace(Protocol):
    """Files by path.

    Raises FileNotFoundError, IsADirectoryError and NotADirectoryError like a file system, FsDenied for a path that is
    not a regular file, and ValueError for files above LARGEST and folders above MAX_ENTRIES.
    """

    #: The location, for people: a path or an s3:// URL.
    where: str

    def read(self, path: str) -> bytes: ...

    def write(self, path: str, data: bytes) -> None:
        """Replace the whole file atomically.

        A reader sees the old content or the new one.
        """

    def append(self, path: str, data: bytes) -> None:
        """Append at the end; concurrent appends do not overwrite each other."""

    def list(self, path: str) -> list[WorkspaceEntry]:
        """The direct entries of the folder, by name."""

    def stat(self, path: str) -> WorkspaceEntry: ...

    def delete(self, path: str) -> None:
        """Delete one file; a folder without files ceases to exist."""


def too_large(path: str, size: int) -> ValueError:
    return ValueError(f"{path}: {size:,} bytes exceed the limit of {LARGEST:,} for a file of the workspace")
