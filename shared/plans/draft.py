"""What a job would do, action by action: counted, sampled, and summed up so that a change in the world shows."""

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

SAMPLES = 5
# Actions that stay in memory, and later in the plan's own row; more go to a compressed file.
INLINE_ACTIONS = 100
MODULUS = 2**256


class Draft:
    """The actions of a job, taken one by one; memory does not grow with their number. A context manager.

    digest: the sum of the actions' hashes, the same in whatever order they come.
    Source: AdHash, in Bellare and Micciancio, "A New Paradigm for Collision-Free Hashing", Eurocrypt 1997.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.samples: dict[str, list[str]] = {}
        self._sum = 0
        self._few: list[bytes] = []
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
        line = action.line
        self._sum += int.from_bytes(sha256(line).digest())
        self.counts[action.verb] += 1
        kept = self.samples.setdefault(action.verb, [])
        if len(kept) < SAMPLES:
            kept.append(redaction.excerpt(action.what or json.dumps(action.id), redaction.SHORT))
        if self._packed is not None:
            self._packed.write(line + b"\n")
            return
        self._few.append(line)
        if len(self._few) > INLINE_ACTIONS:
            self._unload()

    def _unload(self) -> None:
        from gzip import GzipFile
        from tempfile import TemporaryFile

        self._file = TemporaryFile()  # noqa: SIM115 - closed with the draft
        self._packed = GzipFile("", "wb", 1, self._file)
        self._packed.writelines(line + b"\n" for line in self._few)
        self._few.clear()

    @property
    def digest(self) -> str:
        return f"{self._sum % MODULUS:064x}"

    @property
    def size(self) -> int:
        return self.counts.total()

    def text(self) -> str | None:
        """The actions as lines of JSON, where they are few; else None, and `file` has them."""
        return None if self._packed else b"\n".join(self._few).decode()

    def file(self) -> BinaryIO:
        """The actions as gzipped lines of JSON, from the first; no more can be taken."""
        if self._packed is None or self._file is None:
            raise ValueError("few actions are not in a file; ask for their text")
        self._packed.close()
        self._file.seek(0)
        return self._file

    def lines(self) -> list[str]:
        """For people: `delete 1,204, such as` and the samples below it."""
        return [*summary_lines(self.counts, self.samples)]


def summary_lines(counts: Mapping[str, int], samples: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for verb, count in counts.items():
        shown = samples.get(verb, [])
        yield f"{verb} {count:,}{', such as' if count > len(shown) else ''}"
        yield from (f"  {line}" for line in shown)


def parse_lines(lines: Iterable[str | bytes]) -> Iterator[Action]:
    """Actions from their lines."""
    for line in lines:
        verb, found, version = json.loads(line)
        yield Action(verb, found, version)


def from_actions(actions: Iterable[Action]) -> Draft:
    draft = Draft()
    for action in actions:
        draft.take(action)
    return draft
