"""Unique names of files that every common file system can extract.

Windows refuses some characters, names of devices, and a dot or space at a name's end. It and macOS treat names that
differ only in case, or in their Unicode form, as one. Source: Microsoft, "Naming Files, Paths, and Namespaces".
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

REFUSED = re.compile(r'[<>:"|?*\\\x00-\x1f\x7f-\x9f\u2028\u2029\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]')
DEVICE = re.compile(r"(?:con|prn|aux|nul|(?:com|lpt)[0-9\u00b9\u00b2\u00b3]|conin\$|conout\$) *(?:\.|$)", re.IGNORECASE)
# Bytes of one name, the limit of most file systems; characters of a path, of which Windows accepts 260 with its folder.
LONGEST_NAME, LONGEST_PATH = 255, 180
DIGEST = 16


class PortableNames:
    """Names of the files of one archive, without their common folder."""

    def __init__(self) -> None:
        # Folded, so that names that are equal on some file system are equal here.
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def name(self, key: str) -> str:
        """Return a new name for an object's key.

        The same keys in the same order get the same names.
        """
        segments = [_segment(each) for each in key.split("/") if each] or ["_"]
        path = "/".join(segments)
        if len(path) > LONGEST_PATH or any(len(each.encode()) > LONGEST_NAME for each in segments) or self._taken(path):
            path = _hashed("_".join(segments), key)
        while self._taken(path):
            path = f"_{path}"
        folded = _folded(path)
        self._files.add(folded)
        self._folders.update(_ancestors(folded))
        return path

    def _taken(self, path: str) -> bool:
        folded = _folded(path)
        return folded in self._files or folded in self._folders or not self._files.isdisjoint(_ancestors(folded))


def _segment(text: str) -> str:
    """One name of a path, in accepted characters and form."""
    # Half of a surrogate pair cannot be encoded.
    text = text.encode("utf-8", "replace").decode()
    name = REFUSED.sub("_", unicodedata.normalize("NFC", text))
    kept = name.rstrip(". ")
    name = kept + "_" * (len(name) - len(kept))
    return f"_{name}" if DEVICE.match(name) or name.startswith(" ") else name


def _hashed(name: str, key: str) -> str:
    """A short name that the key's hash makes unique, with its extension."""
    stem, dot, extension = name.rpartition(".")
    if not dot or len(extension) > 10 or not stem:
        stem, extension = name, ""
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:DIGEST]
    short = stem.encode()[:100].decode(errors="ignore")
    return f"{short}-{digest}{f'.{extension}' if extension else ''}"


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKD", path).casefold())


def _ancestors(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:length]) for length in range(1, len(parts))]
