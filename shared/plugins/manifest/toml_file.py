"""Read a TOML file of a plugin: bounded in size and nesting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from shared.text.regular_file import open_regular

# The time of tomllib grows with the square of the parts of a dotted key, which is one line.
MAX_DOTS = 200
# A manifest of 100 jobs has 30 KiB.
MAX_BYTES = 64 * 1024


class InvalidToml(ValueError):
    """The file is not TOML, or too large."""

    def __init__(self, reason: str, line: int = 1) -> None:
        super().__init__(reason)
        self.line = line


def read_toml(path: Path) -> tuple[str, dict[str, Any]]:
    """Return the text and the tables. Raises OSError and InvalidToml."""
    with open_regular(path) as file:
        content = file.read(MAX_BYTES + 1)
    return parse_toml(content)


def parse_toml(content: bytes) -> tuple[str, dict[str, Any]]:
    """Return the text and the tables. Raises InvalidToml."""
    import re
    import tomllib

    if len(content) > MAX_BYTES:
        raise InvalidToml(f"is larger than {MAX_BYTES:,} bytes")
    try:
        text = content.decode()
        for number, line in enumerate(text.split("\n"), 1):
            if line.count(".") > MAX_DOTS:
                raise InvalidToml(f"a line has more than {MAX_DOTS} dots", number)
        return text, tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise InvalidToml(f"is not UTF-8: {error.reason} at byte {error.start}") from None
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line ([0-9]+)", str(error))
        raise InvalidToml(f"is not TOML: {error}", int(found[1]) if found else 1) from None
    except RecursionError:
        raise InvalidToml("is nested too deeply") from None
