"""One action of a plan: a thing that a job would delete, send or change."""

from __future__ import annotations

import json
from typing import Any, NamedTuple


class Action(NamedTuple):
    """One thing that would be done. verb: delete, send or change. id and version: of the thing, as JSON data.

    what: a few words on it, for samples.
    """

    verb: str
    id: Any
    version: Any
    what: str = ""

    @property
    def line(self) -> bytes:
        return json.dumps([self.verb, self.id, self.version], separators=(",", ":")).encode()
