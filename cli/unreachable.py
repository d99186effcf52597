"""Loops that only read go on when the cloud does not answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from cli import output

T = TypeVar("T")


def read_or_report(read: Callable[[], list[T]], what: str) -> list[T]:
    """Read, or report that the cloud does not answer.

    Then nothing is returned, and the next call reads again.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return read()
    except (BotoCoreError, ClientError) as error:
        output.notice(f"{what} cannot be read now, trying again: {error}")
        return []
