"""Templates of e-mails to users.

One file each, with the subject in the first line and `$name` for values.

The HTML is generated from the same text. Values are one line of plain text in both.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from string import Template
from typing import NamedTuple

from shared.text.human import byte_size, counted

FOLDER = Path(__file__).parent / "templates"
NAME = re.compile(r"[a-z][a-z0-9_]*")
PERSONA = re.compile(r"[a-z][a-z -]{0,48}[a-z]")
SUBJECT = "Subject: "
# Characters that end a header, change the text direction, or are invisible.
INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]+")
LONGEST_SUBJECT = 200
# Values that notifications of earlier versions lack.
DEFAULTS = {"sender": "unknown", "subject": "unknown"}


class TemplateError(ValueError):
    """The template does not exist, or a value is missing.

    The message names it.
    """


class RenderedMail(NamedTuple):
    subject: str
    text: str
    html: str


def render(name: str, data: Mapping[str, str | int], lines: Sequence[str] = (), *, line: str = "") -> RenderedMail:
    """Fill in a template. Raises TemplateError.

    lines: the value `list`, one line each. line: fill in this text instead of the template's own.
    """
    subject, body = ("", line) if line else _template(name)
    values = {key: INVISIBLE.sub(" ", str(value)).strip() for key, value in _with_units(data).items()}
    escaped = {key: html.escape(value) for key, value in values.items()}
    clean = [INVISIBLE.sub(" ", each).strip() for each in lines]
    if clean:
        values["list"], escaped["list"] = "\n".join(clean), "<br>\n".join(map(html.escape, clean))
    paragraphs = [html.escape(paragraph).replace("\n", "<br>\n") for paragraph in body.split("\n\n")]
    try:
        return RenderedMail(
            Template(subject).substitute(values)[:LONGEST_SUBJECT],
            Template(body).substitute(values) + "\n",
            "\n".join(f"<p>{Template(paragraph).substitute(escaped)}</p>" for paragraph in paragraphs),
        )
    except KeyError as missing:
        raise TemplateError(f"the template {name} needs ${missing.args[0]}, which its notification lacks") from None


def _with_units(data: Mapping[str, str | int]) -> dict[str, str | int]:
    """The values, and for each number two texts: `$used_size`, `$checks_times`."""
    numbers = {name: value for name, value in data.items() if isinstance(value, int)}
    sizes = {f"{name}_size": byte_size(value) for name, value in numbers.items()}
    times = {f"{name}_times": counted(value, "time") for name, value in numbers.items()}
    return {**DEFAULTS, **sizes, **times, **data}


def sender(persona: str, address: str) -> str:
    """`Postmaster <post@in.example>`. Raises TemplateError."""
    if not PERSONA.fullmatch(persona):
        raise TemplateError(f"{persona!r:.60} is no persona; use lower-case words")
    return f"{persona.capitalize()} <{address}>"


@cache
def _template(name: str) -> tuple[str, str]:
    path = FOLDER / f"{name}.txt"
    if not NAME.fullmatch(name) or not path.is_file():
        raise TemplateError(f"there is no template {name!r:.60}")
    first, _, body = path.read_text(encoding="utf-8").partition("\n")
    return first.removeprefix(SUBJECT), body.strip()
