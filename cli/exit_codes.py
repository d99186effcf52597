"""Exit codes of commands, and the exception that carries one."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    #: The work was done, or skipped for a valid reason.
    DONE = 0
    FAILED = 1
    #: A wrong argument, or a setting that cannot be read.
    WRONG_USE = 2
    #: The local cloud or the AWS account cannot be reached, or is not deployed.
    NO_CLOUD = 3
    #: A safety check refused the work; nothing was done.
    REFUSED = 4


class CommandError(Exception):
    """Ends the command.

    The message, printed on stderr, states what is wrong and what to do.
    """

    def __init__(self, code: Exit, message: str) -> None:
        super().__init__(message)
        self.code = code
