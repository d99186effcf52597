"""Globs of manifests, matched in linear time.

`*` and `?` match within a part of a path, `**` matches any number of parts.

A glob is compiled to an automaton whose states are the bits of one integer (Shift-And, Baeza-Yates and Gonnet 1992).
Each character of a path costs a few integer operations, for any glob. A regular expression would backtrack.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

# `**/` at the beginning of a part, any other stars, or one character.
TOKEN = re.compile(r"(?<![^/])(?:\*\*/)+|\*+|[^*]", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Glob:
    """Automaton of a glob.

    A set of states is an integer: bit i is state i.
    """

    #: States that a character leads to the next state from.
    literal: dict[str, int]
    #: States of `?`: any character but a slash leads to the next state.
    any: int
    #: States of `*`: any character but a slash leads back, and none is needed.
    star: int
    #: States at the beginning of a part that `**/` matches. The next state is inside of that part.
    deep: int
    final: int

    def match(self, name: str) -> bool:
        inside, single = self.deep << 1, self.any | self.deep
        loops = self.star | inside
        states = self._skip(1)
        for character in name:
            moved = (states & self.literal.get(character, 0)) << 1
            if character == "/":
                moved |= (states & inside) >> 1
            else:
                moved |= (states & single) << 1 | states & loops
            if not moved:
                return False
            states = self._skip(moved)
        return bool(states & self.final)

    def _skip(self, states: int) -> int:
        """Add the states that need no character.

        One pass is enough: `**/` may be followed by `*`, and each of them by neither of its own kind.
        """
        states |= (states & self.deep) << 2
        return states | (states & self.star) << 1


@lru_cache(maxsize=1024)
def compiled(glob: str, *, any_case: bool = False) -> Glob:
    """`**/*.key` matches `a.key` and `x/y/a.key`.

    `.kb/**` matches everything below `.kb`, but not `.kb`.
    """
    if glob == "**" or glob.endswith("/**"):
        # The last part has at least one character.
        glob = f"{glob}/?*"
    literal: dict[str, int] = {}
    state, any_of, star, deep = 1, 0, 0, 0
    for token in TOKEN.findall(_folded(glob, any_case)):
        if token.startswith("**/"):
            deep |= state
            state <<= 1
        elif token.startswith("*"):
            star |= state
        elif token == "?":
            any_of |= state
        else:
            literal[token] = literal.get(token, 0) | state
        state <<= 1
    return Glob(literal, any_of, star, deep, state)


def matches(glob: str, name: str, *, any_case: bool = False) -> bool:
    return compiled(glob, any_case=any_case).match(_folded(name, any_case))


def _folded(text: str, any_case: bool) -> str:
    return text.casefold() if any_case else text
