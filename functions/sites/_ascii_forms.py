"""ASCII forms of digits, spaces, dashes and apostrophes."""

from __future__ import annotations

import unicodedata

# Characters that are written for another one.
FORMS = {
    "'": "’‘‛′´`ʻʼʹˈ٬׳",
    '"': "“”„‟″״",
    "-": "−﹣",
    ".": "٫",
    ",": "،",
    "¥": "￥",
    "₩": "￦",
    "£": "￡",
    "¢": "￠",
}


def plain(text: str) -> str:
    """Replace digits, spaces, dashes and apostrophes by those of ASCII.

    Invisible characters are removed.
    """
    if text.isascii():
        return text
    # Not unicodedata.normalize: its time grows with the square of the number of combining characters.
    return text.translate({ord(each): _plain_character(each) for each in set(text) if not each.isascii()})


def _plain_character(character: str) -> str | None:
    digit = unicodedata.decimal(character, None)
    if digit is not None:
        return str(digit)
    for plain, others in FORMS.items():
        if character in others:
            return plain
    if "\uff01" <= character <= "\uff5e":
        return chr(ord(character) - 0xFEE0)
    category = unicodedata.category(character)
    return " " if category == "Zs" else "-" if category == "Pd" else None if category == "Cf" else character
