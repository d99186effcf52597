"""Where in a TOML file something stands: a refusal that names the line is mended in seconds."""

from __future__ import annotations

import re
from collections.abc import Sequence

HEADER = re.compile(r"\s*(\[\[|\[)\s*([^\[\]]+?)\s*\]{1,2}\s*(#.*)?$")
KEY = re.compile(r"\s*((?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*'))*)\s*=")

Place = tuple[str | int, ...]


def line_of(text: str, place: Sequence[str | int]) -> int:
    """The line, from 1, of `("jobs", 0, "schedule")`, or of the nearest thing around it that stands on one."""
    known = places(text)
    wanted: Place = tuple(place)
    while wanted and wanted not in known:
        wanted = wanted[:-1]
    return known.get(wanted, 1)


def places(text: str) -> dict[Place, int]:
    """Every table and key with the line that it begins on; what stands inside of a value has none of its own."""
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
    """`[jobs.permissions]` belongs to the latest `[[jobs]]`."""
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
