"""Large byte strings of a saved state, in files named by hash.

A layer's zip is 10 MB and belongs to a version in each stack. Within the state's JSON each version would be encoded as
base64 at every save: 158 MB for this deployment.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

MARK = "__blob__"
# Bytes. Shorter strings stay in the JSON.
SMALLEST = 1 << 16


class Blobs:
    """Writes and reads the byte strings in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # By identity, with the object itself so that its identity is not reused: a string is hashed once.
        self._known: dict[int, tuple[bytes, str]] = {}
        self._read: dict[str, bytes] = {}

    def replaced(self, value: Any, used: set[str]) -> Any:
        """Reference to a large byte string, added to `used`.

        None for any other value.
        """
        if not isinstance(value, bytes) or len(value) < SMALLEST:
            return None
        _, name = self._known.setdefault(id(value), (value, hashlib.sha256(value).hexdigest()))
        file = self.folder / name
        if not file.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            unfinished = self.folder / f".{name}"
            unfinished.write_bytes(value)
            unfinished.replace(file)
        used.add(name)
        return {MARK: name}

    def restored(self, value: dict[str, Any], used: set[str]) -> Any:
        """Byte string that `value` refers to.

        One object for each content; None without a reference.
        """
        if MARK not in value:
            return None
        name = str(value[MARK])
        if name not in self._read:
            self._read[name] = (self.folder / name).read_bytes()
            self._known[id(self._read[name])] = self._read[name], name
        used.add(name)
        return self._read[name]

    def prune(self, used: Iterable[str]) -> None:
        """Remove all byte strings that no saved state refers to."""
        keep = set(used)
        self._known = {key: known for key, known in self._known.items() if known[1] in keep}
        self._read = {name: value for name, value in self._read.items() if name in keep}
        if self.folder.exists():
            for file in self.folder.iterdir():
                if file.name not in keep:
                    file.unlink()
