"""Action of a plan: an item to delete, send or change."""

from __future__ import annotations

import json
from typing import Any, NamedTuple


class Action(NamedTuple):
    """One action on one item."""

    verb: str
    """delete, send or change."""
    id: Any
    """Id of the item, as JSON data."""
    version: Any
    """Version of the item that the action was decided on, as JSON data."""
    what: str = ""
    """Short description, for the samples of a plan."""

    @property
    def line(self) -> bytes:
        return json.dumps([self.verb, self.id, self.version], separators=(",", ":")).encode()
