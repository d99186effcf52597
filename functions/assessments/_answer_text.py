"""Find the JSON object in the text of a model's answer.

Models put thoughts in front of it, a code fence around it, and remarks behind it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from shared.text.untrusted_json import InvalidJson, parse_json

# The end of thoughts; their beginning may be missing, as some chat templates put it into the prompt.
THOUGHTS_END = re.compile(r"</(?:think|thinking|thought|reasoning|reflection)\s{0,10}>", re.IGNORECASE)
THOUGHTS_BEGIN = re.compile(r"\s{0,1000}<(?:think|thinking|thought|reasoning|reflection)\s{0,10}>", re.IGNORECASE)
# A brace that may begin an object: a key or the end follows.
BEGINNING = re.compile(r'\{(?=\s{0,100}["}])')
# Models write line ends and tabs into strings unescaped; between tokens all of these are blanks.
UNESCAPED = dict.fromkeys(range(32), " ")
# Beginnings that are tried: each costs a pass over the text.
TRIED = 50


def json_objects(text: str) -> Iterator[str]:
    """Yield each complete JSON object of an answer, without its thoughts.

    An object within another one is not yielded.
    """
    ends = [match.end() for match in THOUGHTS_END.finditer(text)]
    # A text that begins with the object may quote the end of thoughts in it.
    if ends and not text.lstrip().startswith("{"):
        yield from _objects(text[ends[-1] :])
    elif not THOUGHTS_BEGIN.match(text):
        yield from _objects(text)


def has_json_object(text: str) -> bool:
    return next(json_objects(text), None) is not None


def _objects(answer: str) -> Iterator[str]:
    text = answer.translate(UNESCAPED)
    decoder, end, tried, last = json.JSONDecoder(), 0, 0, len(text.rstrip())
    for match in BEGINNING.finditer(text):
        start = match.start()
        if start < end:
            continue
        tried += 1
        if tried > TRIED:
            return
        try:
            _, end = decoder.raw_decode(text, start)
            parse_json(text[start:end])
        except json.JSONDecodeError as error:
            if error.pos >= last or error.msg.startswith("Unterminated string"):
                # The text ends within this object: those behind are parts of it.
                return
        except (InvalidJson, RecursionError):
            continue
        else:
            yield text[start:end]
