"""Globs of manifests.

`*` and `?` match within a part of a path, `**` matches any number of parts.
"""

from __future__ import annotations

import re
from functools import lru_cache


@lru_cache(maxsize=1024)
def compiled(glob: str, *, any_case: bool = False) -> re.Pattern[str]:
    """`**/*.key` matches `a.key` and `x/y/a.key`.

    `.kb/**` matches everything below `.kb`, but not `.kb`.
    """
    parts = glob.split("/")
    pattern = ""
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        if part == "**":
            pattern += "(?:[^/]+/)*[^/]+" if last else "(?:[^/]+/)*"
        else:
            pattern += "".join(map(_character, part)) + ("" if last else "/")
    return re.compile(pattern, re.DOTALL | (re.IGNORECASE if any_case else 0))


def matches(glob: str, name: str, *, any_case: bool = False) -> bool:
    return compiled(glob, any_case=any_case).fullmatch(name) is not None


def _character(text: str) -> str:
    return {"*": "[^/]*", "?": "[^/]"}.get(text) or re.escape(text)
