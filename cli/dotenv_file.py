"""Read a .env file into this process's environment; the environment takes precedence."""

from __future__ import annotations

import io
import os
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from cli.exit_codes import CommandError, Exit
from shared.text.regular_file import read_regular

MAX_BYTES = 1 << 20


def load(path: Path) -> None:
    """Set the variables of the file that the environment does not have.

    Without the file, nothing. Raises CommandError if it cannot be read as a whole.
    """
    text = _text(path)
    for statement in parse_stream(io.StringIO(text)):
        if statement.error:
            line = statement.original.string.strip().partition("\n")[0]
            raise _refused(path, f"line {statement.original.line} is not NAME=value: {line[:60]!r}")
    for name, value in dotenv_values(stream=io.StringIO(text)).items():
        if value is not None:
            os.environ.setdefault(name, value)


def _text(path: Path) -> str:
    try:
        content = read_regular(path, MAX_BYTES)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise _refused(path, error.strerror or str(error)) from None
    if b"\0" in content:
        raise _refused(path, "it contains a zero byte, as files in UTF-16 do; save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _refused(path, f"line {line} is not UTF-8; save the file as UTF-8") from None


def _refused(path: Path, reason: str) -> CommandError:
    return CommandError(Exit.WRONG_USE, f"{path} cannot be read: {reason}")
