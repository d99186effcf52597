"""A workspace in a folder of this machine.

Paths are opened part by part, so that no link leads outside.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat as modes
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from heapq import nsmallest
from pathlib import Path

from shared.plugins.denied import FsDenied
from shared.plugins.host.workspace import LARGEST, PAGE, WorkspaceEntry, too_large

# Files are written here first, so that no folder shows a partial file. Manifests cannot name this folder.
STAGING = ".staging"
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Non-blocking: opening a pipe that replaced a file must not wait for its writer.
FILE = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class DiskWorkspace:
    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.root = root.resolve()
        self.where = str(self.root)

    def read(self, path: str) -> bytes:
        with self._parent(path) as (folder, name), self._file(path, name, folder, os.O_RDONLY) as file:
            size = os.fstat(file).st_size
            if size > LARGEST:
                raise too_large(path, size)
            with open(file, "rb", closefd=False) as stream:
                return stream.read(LARGEST)

    def write(self, path: str, data: bytes) -> None:
        if len(data) > LARGEST:
            raise too_large(path, len(data))
        with self._parent(path, make=True) as (folder, name), self._staged(data) as (staging, temporary):
            with suppress(FileNotFoundError):
                _require_regular(path, os.stat(name, dir_fd=folder, follow_symlinks=False))
            os.replace(temporary, name, src_dir_fd=staging, dst_dir_fd=folder)

    def append(self, path: str, data: bytes) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        with self._parent(path, make=True) as (folder, name), self._file(path, name, folder, flags) as file:
            if os.fstat(file).st_size + len(data) > LARGEST:
                raise too_large(path, os.fstat(file).st_size + len(data))
            with open(file, "ab", buffering=0, closefd=False) as stream:
                stream.write(data)

    def list(self, path: str, after: str = "") -> list[WorkspaceEntry]:
        with self._folder(path) as folder:
            names = os.listdir(folder)  # noqa: PTH208 - a Path does not take a descriptor
            # Entries of earlier pages are left out before they are examined; a folder's place ends in a slash.
            left = (name for name in names if f"{path}/{name}/" > after)
            entries = (entry for name in left if (entry := self._entry(f"{path}/{name}", name, folder)))
            return nsmallest(PAGE, (entry for entry in entries if entry.place > after), key=lambda entry: entry.place)

    def stat(self, path: str) -> WorkspaceEntry:
        with self._parent(path) as (folder, name):
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if not modes.S_ISDIR(status.st_mode):
                _require_regular(path, status)
            entry = self._entry(path, name, folder)
        if entry is None:
            raise FileNotFoundError(errno.ENOENT, "there is no such file", path)
        return entry

    def delete(self, path: str) -> None:
        with self._parent(path) as (folder, name):
            _require_regular(path, os.stat(name, dir_fd=folder, follow_symlinks=False))
            os.unlink(name, dir_fd=folder)
        self._prune(path)

    def delete_many(self, paths: Sequence[str]) -> None:
        for path in paths:
            with suppress(FileNotFoundError):
                self.delete(path)

    def _entry(self, path: str, name: str, folder: int) -> WorkspaceEntry | None:
        """None for entries that plugins must not see.

        Links, pipes, folders without files.
        """
        try:
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if modes.S_ISREG(status.st_mode) and status.st_nlink == 1:
                return WorkspaceEntry(path, "file", status.st_size, status.st_mtime)
            if modes.S_ISDIR(status.st_mode) and self._has_files(name, folder):
                return WorkspaceEntry(path, "folder", 0, 0)
        except FileNotFoundError:
            # Deleted since the folder was listed.
            return None
        return None

    def _has_files(self, name: str, folder: int) -> bool:
        inner = os.open(name, FOLDER, dir_fd=folder)
        try:
            return any(self._entry(child, child, inner) for child in os.listdir(inner))  # noqa: PTH208
        finally:
            os.close(inner)

    def _prune(self, path: str) -> None:
        parts = path.split("/")[:-1]
        with suppress(OSError):
            while parts:
                with self._parent("/".join(parts)) as (folder, name):
                    os.rmdir(name, dir_fd=folder)
                parts.pop()

    @contextmanager
    def _parent(self, path: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
        *parts, name = path.split("/")
        with self._folder("/".join(parts), make=make) as folder:
            yield folder, name

    @contextmanager
    def _folder(self, path: str, *, make: bool = False) -> Iterator[int]:
        with ExitStack() as closing:
            folder = os.open(self.root, FOLDER)
            closing.callback(os.close, folder)
            for part in path.split("/") if path else ():
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(part, 0o700, dir_fd=folder)
                try:
                    folder = os.open(part, FOLDER, dir_fd=folder)
                except NotADirectoryError:
                    if modes.S_ISLNK(os.stat(part, dir_fd=folder, follow_symlinks=False).st_mode):
                        raise FsDenied(path, f"goes through {part!r}, a symbolic link") from None
                    raise
                closing.callback(os.close, folder)
            yield folder

    @contextmanager
    def _file(self, path: str, name: str, folder: int, flags: int) -> Iterator[int]:
        try:
            file = os.open(name, flags | FILE, 0o600, dir_fd=folder)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENXIO):
                raise FsDenied(path, "is a symbolic link or not a regular file") from None
            raise
        try:
            # Checked on the open file: between a check by name and the open, the name could change.
            _require_regular(path, os.fstat(file))
            yield file
        finally:
            os.close(file)

    @contextmanager
    def _staged(self, data: bytes) -> Iterator[tuple[int, str]]:
        temporary = secrets.token_hex(8)
        with self._folder(STAGING, make=True) as staging:
            file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | FILE, 0o600, dir_fd=staging)
            try:
                with open(file, "wb") as stream:  # noqa: PTH123
                    stream.write(data)
                    stream.flush()
                    # Without it, a power failure could leave an empty file under the new name.
                    os.fsync(file)
                yield staging, temporary
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(temporary, dir_fd=staging)


def _require_regular(path: str, status: os.stat_result) -> None:
    if modes.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "is a folder", path)
    if modes.S_ISLNK(status.st_mode):
        raise FsDenied(path, "is a symbolic link or not a regular file")
    if not modes.S_ISREG(status.st_mode):
        raise FsDenied(path, "is a pipe, a socket or a device")
    if status.st_nlink > 1:
        raise FsDenied(path, "has a hard link, which may lie outside the workspace")
