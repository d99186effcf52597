"""TOML from outside: one reader, with limits.

`tomllib` recurses, and reads integers of any size; `int` refuses those of more than 4,300 digits.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from shared.text.regular_file import open_regular

# The time of tomllib grows with the square of the parts of a dotted key, which is one line.
MAX_DOTS = 200
# A manifest of 100 jobs has 30 KiB.
MAX_BYTES = 64 * 1024
# TOML has integers of 64 bits.
MAX_INTEGER = 2**63


class InvalidToml(ValueError):
    """The text is not TOML, or too large."""

    def __init__(self, reason: str, line: int = 1) -> None:
        super().__init__(reason)
        self.line = line


def read_toml(path: Path, *, max_bytes: int = MAX_BYTES, max_dots: int = MAX_DOTS) -> tuple[str, dict[str, Any]]:
    """Return the text and the tables. Raises OSError and InvalidToml."""
    with open_regular(path) as file:
        content = file.read(max_bytes + 1)
    return parse_toml(content, max_bytes=max_bytes, max_dots=max_dots)


def parse_toml(content: bytes, *, max_bytes: int = MAX_BYTES, max_dots: int = MAX_DOTS) -> tuple[str, dict[str, Any]]:
    """Return the text and the tables.

    max_dots: of one line. Raises InvalidToml.
    """
    if len(content) > max_bytes:
        raise InvalidToml(f"is larger than {max_bytes:,} bytes")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise InvalidToml(f"is not UTF-8: {error.reason} at byte {error.start}") from None
    for number, line in enumerate(text.split("\n"), 1):
        if line.count(".") > max_dots:
            raise InvalidToml(f"a line has more than {max_dots:,} dots; write a list over several lines", number)
    tables = _parsed(text)
    if _has_large_integer(tables):
        raise InvalidToml("has a whole number beyond 64 bits")
    return text, tables


def _parsed(text: str) -> dict[str, Any]:
    import re
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line ([0-9]+)", str(error))
        raise InvalidToml(f"is not TOML: {error}", int(found[1]) if found else 1) from None
    except ValueError:
        # `int` of more than 4,300 digits.
        raise InvalidToml("has a whole number beyond 64 bits") from None
    except RecursionError:
        raise InvalidToml("is nested too deeply") from None


def _has_large_integer(tables: dict[str, Any]) -> bool:
    """Whether any value is one that `str` might refuse; without recursion."""
    waiting: list[Any] = [tables]
    while waiting:
        match waiting.pop():
            case dict() as table:
                waiting.extend(table.values())
            case list() as values:
                waiting.extend(values)
            case int() as number if not -MAX_INTEGER <= number < MAX_INTEGER:
                return True
    return False
