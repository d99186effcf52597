"""Draft of a plan: actions, counted, sampled and hashed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING, BinaryIO

from shared import redaction
from shared.job.action import Action

if TYPE_CHECKING:
    from gzip import GzipFile

# Examples per verb that people see.
SAMPLES = 5
# Actions held in memory, and later in the plan's row; more are written to a compressed file.
INLINE_ACTIONS = 100
MODULUS = 2**256


class Draft:
    """The actions of a job, added one by one.

    Memory does not grow with their number. A context manager.
    """

    #: Number of actions by verb.
    counts: Counter[str]
    #: Examples by verb, as text for people.
    samples: dict[str, list[str]]

    def __init__(self) -> None:
        self.counts = Counter()
        self.samples = {}
        self._sum = 0
        self._inline: list[bytes] = []
        self._file: BinaryIO | None = None
        self._packed: GzipFile | None = None

    def __enter__(self) -> Draft:
        return self

    def __exit__(self, *_: object) -> None:
        for file in (self._packed, self._file):
            if file is not None:
                with suppress(OSError):
                    file.close()

    def take(self, action: Action) -> None:
        """Add an action."""
        line = action.line
        self._sum += int.from_bytes(sha256(line).digest())
        self.counts[action.verb] += 1
        samples = self.samples.setdefault(action.verb, [])
        if len(samples) < SAMPLES:
            samples.append(redaction.excerpt(action.what or json.dumps(action.id), redaction.SHORT))
        if self._packed is not None:
            self._packed.write(line + b"\n")
            return
        self._inline.append(line)
        if len(self._inline) > INLINE_ACTIONS:
            self._open_file()

    def _open_file(self) -> None:
        from gzip import GzipFile
        from tempfile import TemporaryFile

        self._file = TemporaryFile()  # noqa: SIM115 - closed with the draft
        self._packed = GzipFile("", "wb", 1, self._file)
        self._packed.writelines(line + b"\n" for line in self._inline)
        self._inline.clear()

    @property
    def digest(self) -> str:
        """Sum of the hashes of the actions: the same in any order.

        Source: AdHash, in Bellare and Micciancio, "A New Paradigm for Collision-Free Hashing", Eurocrypt 1997.
        """
        return f"{self._sum % MODULUS:064x}"

    @property
    def size(self) -> int:
        """Number of actions."""
        return self.counts.total()

    def text(self) -> str | None:
        """Return the actions as lines of JSON.

        None where there are many, and `file` has them.
        """
        return None if self._packed else b"\n".join(self._inline).decode()

    def file(self) -> BinaryIO:
        """Return the actions as gzipped lines of JSON, from the first.

        No more can be added.
        """
        if self._packed is None or self._file is None:
            raise ValueError("a draft of few actions has no file; use text()")
        self._packed.close()
        self._file.seek(0)
        return self._file

    def lines(self) -> list[str]:
        """Return a summary for people.

        `delete 1,204, such as` and the samples below it.
        """
        return [*summary_lines(self.counts, self.samples)]


def summary_lines(counts: Mapping[str, int], samples: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a summary, see `Draft.lines`."""
    for verb, count in counts.items():
        shown = samples.get(verb, [])
        yield f"{verb} {count:,}{', such as' if count > len(shown) else ''}"
        yield from (f"  {line}" for line in shown)


def parse_lines(lines: Iterable[str | bytes]) -> Iterator[Action]:
    """Yield the actions of lines of JSON."""
    for line in lines:
        verb, action_id, version = json.loads(line)
        yield Action(verb, action_id, version)


def from_actions(actions: Iterable[Action]) -> Draft:
    """Return a draft with these actions."""
    draft = Draft()
    for action in actions:
        draft.take(action)
    return draft
