from __future__ import annotations


class Refused(Exception):
    """A request that is answered with this status and the message."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status = status
