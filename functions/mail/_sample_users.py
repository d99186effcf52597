"""Sample users of the mail product, by seed and number."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from functions.mail._due_person import DuePerson
from functions.mail._sample_person import Line, Person


def sample_person(seed: int, number: int, now: datetime) -> Person:
    """Return a user of a seed.

    The first one has due rows for each job of mail.
    """
    return (Person if number else DuePerson)(seed, number, now)


def person(seed: int, number: int, now: datetime) -> Iterator[Line]:
    """Records of a user: each record's table name and fields."""
    yield from sample_person(seed, number, now).lines()


def message(line: dict[str, Any]) -> bytes:
    """Content of the object that a row's `raw` names."""
    head = f"From: {line['id']}@shop.example\r\nTo: {line['alias']}\r\nSubject: Your order {line['id']}\r\n"
    return f"{head}Message-ID: <{line['id']}@shop.example>\r\n\r\nThank you for your order.\r\n".encode()
