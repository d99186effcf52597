"""How a command ends: exit codes that scripts can rely on, and the exception that carries one."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    DONE = 0  # or honestly skipped
    FAILED = 1
    WRONG_USE = 2
    NO_CLOUD = 3
    REFUSED = 4


class Stop(Exception):
    """Ends the command. The message says what is wrong and what to do; it goes to stderr."""

    def __init__(self, code: Exit, message: str) -> None:
        super().__init__(message)
        self.code = code
