"""The workspace interface.

Files that plugins share with the platform, on a disk or in S3.

Paths have the form that `permissions.normal` returns. A folder exists while it contains a file. Permissions are checked
by the broker, not here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

LARGEST = 8 * 1024 * 1024
# Entries of one page of a folder, and files of one deletion.
PAGE = 1000


@dataclass(frozen=True, slots=True)
class WorkspaceEntry:
    path: str
    kind: Literal["file", "folder"]
    #: Bytes, 0 for a folder.
    size: int
    #: Seconds since 1970, 0 for a folder.
    modified: float

    @property
    def place(self) -> str:
        """Position among the entries of a folder, as S3 orders them."""
        return f"{self.path}/" if self.kind == "folder" else self.path


class Workspace(Protocol):
    """Files by path.

    Raises FileNotFoundError, IsADirectoryError and NotADirectoryError like a file system, FsDenied for a path that is
    not a regular file, and ValueError for files above LARGEST.
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

    def list(self, path: str, after: str = "") -> list[WorkspaceEntry]:
        """A page of the folder's direct entries, ordered by `place`.

        after: the place of the last entry of the page before. A page of fewer entries than PAGE is the last one.
        """

    def stat(self, path: str) -> WorkspaceEntry: ...

    def delete(self, path: str) -> None:
        """Delete one file; a folder without files ceases to exist."""

    def delete_many(self, paths: Sequence[str]) -> None:
        """Delete at most PAGE files, ignoring those that are missing."""


def too_large(path: str, size: int) -> ValueError:
    return ValueError(f"{path}: {size:,} bytes exceed the limit of {LARGEST:,} for a file of the workspace")
