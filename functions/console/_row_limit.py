"""Read the newest rows up to a limit."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def read_newest(rows: Iterable[T], most: int) -> tuple[list[T], bool]:
    """Return up to `most` rows, and whether there are more."""
    found = list(islice(rows, most + 1))
    return found[:most], len(found) > most


def limit_sentence(most: int, what: str) -> str:
    """The note of a page or export that was cut."""
    return f"only the newest {most:,} {what} were searched"
