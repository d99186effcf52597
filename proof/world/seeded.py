"""Random numbers and ids from a seed."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


class SeededRandom:
    """Source of all random bytes and numbers of this process."""

    def __init__(self) -> None:
        self._bytes = random.Random()

    def seed(self, seed: int | str) -> None:
        """Begin the same sequence again."""
        self._bytes.seed(seed)
        random.seed(seed)

    def urandom(self, size: int) -> bytes:
        return self._bytes.randbytes(size)


@contextmanager
def seeded(seed: int) -> Iterator[SeededRandom]:
    """Let `random`, `secrets` and `uuid` draw from a seed.

    For simulations alone: ids and keys can be guessed.
    """
    source = SeededRandom()
    source.seed(seed)
    with ExitStack() as restored:
        # `uuid` reads the first, `secrets` and SystemRandom the second.
        for owner, name in ((os, "urandom"), (random, "_urandom")):
            restored.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, source.urandom)
        yield source
