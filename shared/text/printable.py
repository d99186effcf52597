"""Text for terminals and logs, free of invisible characters.

Control sequences move the cursor or rename the window, bidi characters change the order of what is read.
"""

from __future__ import annotations

import re

# C0 and C1 controls, soft hyphen, bidi controls, zero-width and invisible characters, line and paragraph separators,
# the byte order mark, annotations, tags, surrogates. U+200C and U+200D stay: scripts and emoji need them.
UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e0fff]"
)
LINES = frozenset("\n\t")


def printable(text: str, *, multiline: bool = False) -> str:
    r"""Escape control and invisible characters, as in `\x1b`.

    `multiline` keeps line feeds and tabs.
    """
    # One call for each different character, not for each occurrence.
    return text.translate({ord(each): _escaped(each, multiline) for each in set(UNSAFE.findall(text))})


def _escaped(character: str, multiline: bool) -> str:
    if multiline and character in LINES:
        return character
    return character.encode("unicode_escape", "surrogatepass").decode()
