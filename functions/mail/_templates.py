"""What users are told by e-mail: a file for each letter, its subject in the first line, `$name` for what is filled in.

The HTML is made from the same text. Whatever is filled in is one line of plain text in both.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from string import Template
from typing import NamedTuple

FOLDER = Path(__file__).parent / "templates"
NAME = re.compile(r"[a-z][a-z0-9_]*")
PERSONA = re.compile(r"[a-z][a-z -]{0,48}[a-z]")
SUBJECT = "Subject: "
# What ends a header, or changes the direction of what follows, or cannot be seen.
UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]+")
LONGEST_SUBJECT = 200


class BadLetter(ValueError):
    """There is no such letter, or it cannot be filled in; the message says what is missing."""


class Letter(NamedTuple):
    subject: str
    text: str
    html: str


def letter(name: str, data: Mapping[str, str | int]) -> Letter:
    """Fill it in. Raises BadLetter."""
    subject, body = _template(name)
    told = {key: UNSEEN.sub(" ", str(value)).strip() for key, value in data.items()}
    escaped = {key: html.escape(value) for key, value in told.items()}
    paragraphs = [html.escape(paragraph).replace("\n", "<br>\n") for paragraph in body.split("\n\n")]
    try:
        return Letter(
            Template(subject).substitute(told)[:LONGEST_SUBJECT],
            Template(body).substitute(told) + "\n",
            "\n".join(f"<p>{Template(paragraph).substitute(escaped)}</p>" for paragraph in paragraphs),
        )
    except KeyError as missing:
        raise BadLetter(f"the letter {name} says ${missing.args[0]}, and its notification has none") from None


def sender(persona: str, address: str) -> str:
    """`Postmaster <post@in.example>`. Raises BadLetter."""
    if not PERSONA.fullmatch(persona):
        raise BadLetter(f"{persona!r:.60} is no persona; say it in lower-case words")
    return f"{persona.capitalize()} <{address}>"


@cache
def _template(name: str) -> tuple[str, str]:
    path = FOLDER / f"{name}.txt"
    if not NAME.fullmatch(name) or not path.is_file():
        raise BadLetter(f"there is no letter {name!r:.60}")
    first, _, body = path.read_text(encoding="utf-8").partition("\n")
    return first.removeprefix(SUBJECT), body.strip()
