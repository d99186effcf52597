"""Shape of the document of every command that fails."""

from __future__ import annotations

from typing_extensions import TypedDict


class CommandFailure(TypedDict):
    """An error, which is also on stderr as text."""

    #: What is wrong, where, and what to do.
    error: str
    #: Exit code of the command.
    code: int
