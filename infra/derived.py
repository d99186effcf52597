"""Values derived from sources, cached by a digest of these sources.

A cached value is read only where every input is the same, so it cannot be stale. `.local/` may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from infra.package import remove_unused

FOLDER = Path(__file__).resolve().parent.parent / ".local" / "derived"


def digest_of(kind: str, inputs: Iterable[str | bytes]) -> str:
    digest = hashlib.sha256(kind.encode())
    for part in inputs:
        content = part.encode() if isinstance(part, str) else part
        # With its length: two inputs are not one that is as long as both.
        digest.update(f"\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:32]


def derived(kind: str, inputs: Iterable[str | bytes], make: Callable[[], Any], folder: Path = FOLDER) -> Any:
    """Return what `make` returned for these inputs, as JSON has it."""
    path = folder / f"{kind}-{digest_of(kind, inputs)}.json"
    with contextlib.suppress(OSError, ValueError):
        value = json.loads(path.read_bytes())
        path.touch()
        return value
    value = make()
    store(path, json.dumps(value))
    return value


def store(path: Path, text: str) -> None:
    """Write a file of the cache.

    Several processes may synthesize at once: a rename never shows half a file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_unused(path.parent, path.suffix)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
    with os.fdopen(handle, "w") as file:
        file.write(text)
    Path(name).replace(path)
