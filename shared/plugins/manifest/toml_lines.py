"""Find the lines of keys in a TOML file, for error messages."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

# No two neighbours match the same character: a line of spaces costs one pass.
HEADER = re.compile(r"\s*(\[\[?)([^\[\]]+)\]{1,2}\s*(#.*)?$")
KEY = re.compile(r"\s*((?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*'))*)\s*=")

Place = tuple[str | int, ...]


def nearest(lines: Mapping[Place, int], place: Sequence[str | int]) -> int:
    """The line of a place, or of its nearest table."""
    wanted: Place = tuple(place)
    while wanted and wanted not in lines:
        wanted = wanted[:-1]
    return lines.get(wanted, 1)


def places(text: str) -> dict[Place, int]:
    """The line of every table and key.

    Parts of a value have no line.
    """
    found: dict[Place, int] = {}
    counted: dict[Place, int] = {}
    table: Place = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := HEADER.match(line):
            table = _table(header[1] == "[[", _names(header[2]), counted)
            found.setdefault(table, number)
        elif key := KEY.match(line):
            place = table
            for name in _names(key[1]):
                place = (*place, name)
                found.setdefault(place, number)
    return found


def _table(repeated: bool, names: list[str], counted: dict[Place, int]) -> Place:
    """The place of a table header: `[jobs.permissions]` belongs to the latest `[[jobs]]`."""
    place: Place = ()
    for depth, name in enumerate(names):
        place = (*place, name)
        if repeated and depth == len(names) - 1:
            counted[place] = counted.get(place, -1) + 1
        if place in counted:
            place = (*place, counted[place])
    return place


def _names(dotted: str) -> list[str]:
    return [name.strip().strip("\"'") for name in re.findall(r"\"[^\"]*\"|'[^']*'|[^.\s]+", dotted)]
