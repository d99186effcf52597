"""SNS in memory: the published alerts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


class MemoryTopic:
    """The alerts topic. `published` has subject and message of each alert."""

    def __init__(self) -> None:
        self.published: list[tuple[str, dict[str, Any]]] = []

    def call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Publish a message. Raises NotImplementedError for another operation."""
        if operation != "Publish":
            raise NotImplementedError(f"SNS in memory does not have {operation}")
        self.published.append((request["Subject"], json.loads(request["Message"])))
        return {"MessageId": f"alert-{len(self.published)}"}
