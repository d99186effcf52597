"""Brings records into their table from a file of JSON Lines; docs/records.md has the fields.

A line that is none is told with its number and put into <FILE>.rejects.jsonl with the reason; the others go in. A row
that is there already stays as it is, so that the same file may be loaded again; one that a job has set aside with a
`fault` is replaced.
"""

from __future__ import annotations

import argparse
import difflib
import gzip
import json
import os
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn, cast

from cli import options, output
from cli.exit_codes import Exit, Stop
from cli.progress import Progress
from shared.aws import attributes
from shared.clock import Clock

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.store.bulk_put import BulkWriter
    from shared.store.record import Record

# DynamoDB's limit for a row, and what a line may have beside that: escapes and spaces.
LONGEST_ROW = 400 * 1024
LONGEST_LINE = 4 * LONGEST_ROW
# DynamoDB's numbers have so many digits.
LONGEST_NUMBER = 38
TOLD = 20
EVERY = 5
BOM = b"\xef\xbb\xbf"
# Stands for all that cannot be unpacked; known by being itself, which no line is.
DAMAGED = b"what cannot be unpacked"


@dataclass(slots=True)
class Rejects:
    """The lines that did not go in; the file is made with the first one."""

    place: Path
    count: int = 0
    file: IO[str] | None = None

    def add(self, number: int, reason: str, line: bytes) -> None:
        if self.file is None:
            # It has what was in the file: for nobody else's eyes.
            self.file = _kept_to_us(self.place)
        self.count += 1
        if self.count <= TOLD:
            output.say(f"line {number}: {reason}")
        text = line.decode(errors="backslashreplace").rstrip("\r\n")
        self.file.write(json.dumps({"line": number, "reason": reason, "text": text}, ensure_ascii=False) + "\n")


def _kept_to_us(place: Path) -> IO[str]:
    try:
        return os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8")
    except OSError as error:
        why = error.strerror or error
        raise Stop(Exit.WRONG_USE, f"{place} cannot be written, for lines that are none: {why}") from None


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("record", help="which: the name of its table, such as users or failed-emails")
    parser.add_argument("file", type=Path, help="JSON Lines, a record a line; may be packed by gzip, FILE.jsonl.gz")
    parser.add_argument("--check", action="store_true", help="read and check all lines, and write nothing")
    parser.add_argument("--json", action="store_true", help="one JSON object: how many lines, rows and rejects")
    options.arguments(parser)


def call(args: argparse.Namespace) -> int:
    kind, progress = _kind(args.record), Progress()
    with ExitStack() as stack:
        file = stack.enter_context(_opened(args.file))
        rejects = Rejects(args.file.with_name(f"{args.file.name}.rejects.jsonl"))
        # What an earlier load has rejected is no more news.
        with suppress(OSError):
            rejects.place.unlink()
        stack.callback(lambda: rejects.file and rejects.file.close())
        if args.check:
            counts = _load(kind, file, rejects, None, Clock().now(), progress)
        else:
            cloud = stack.enter_context(options.opened(args))
            counts = _written(cloud, kind, file, rejects, progress)
    _tell(args, {"record": args.record, "file": str(args.file), **counts}, rejects, progress)
    return Exit.FAILED if rejects.count else Exit.DONE


def _written(cloud: Cloud, kind: type[Record], file: IO[bytes], rejects: Rejects, progress: Progress) -> dict[str, int]:
    from shared.store.bulk_put import BulkWriter
    from shared.store.throttling import Throttled

    try:
        with BulkWriter(cloud, kind.table) as writer:
            counts = _load(kind, file, rejects, writer, cloud.clock.now(), progress)
    except Throttled as error:
        raise Stop(Exit.FAILED, str(error)) from None
    return {**counts, "written": writer.written, "there": writer.there}


def _load(
    kind: type[Record], file: IO[bytes], rejects: Rejects, writer: BulkWriter | None, now: datetime, progress: Progress
) -> dict[str, int]:
    lines, told = 0, progress.seconds
    for number, line in _lines(file):
        if not line.strip():
            continue
        lines += 1
        try:
            item = _read(kind, line, now)
        except ValueError as error:
            rejects.add(number, str(error), line)
        else:
            if writer:
                writer.add(item)
        if progress.seconds - told > EVERY:
            told = progress.seconds
            progress(f"{lines:,} lines read")
    return {"lines": lines, "rejected": rejects.count}


def _lines(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Each with its number. Of one that is too long the beginning, which no row can be."""
    number = 0
    try:
        while line := file.readline(LONGEST_LINE + 1):
            number += 1
            rest = line
            while len(rest) > LONGEST_LINE and not rest.endswith(b"\n"):
                rest = file.readline(LONGEST_LINE + 1)
            yield number, line.removeprefix(BOM) if number == 1 else line
    except (EOFError, gzip.BadGzipFile, zlib.error):
        yield number + 1, DAMAGED


def _read(kind: type[Record], line: bytes, now: datetime) -> dict[str, Any]:
    """The row. Raises ValueError with what is wrong, and not with what is in the line."""
    if line is DAMAGED:
        raise ValueError("and what follows cannot be unpacked; the file is damaged, or was cut off")
    if len(line) > LONGEST_LINE:
        raise ValueError(f"is longer than {LONGEST_LINE:,} bytes")
    try:
        given = json.loads(line.decode(), parse_constant=_no_number, parse_int=_whole, object_pairs_hook=_each_once)
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8: byte {error.start + 1} begins no character") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error.msg} at character {error.pos + 1}") from None
    except RecursionError:
        raise ValueError("is not a record: it is nested too deeply") from None
    if not isinstance(given, Mapping):
        raise ValueError(f"is not a JSON object but {type(given).__name__}")
    item = kind.read(given, now).item()
    size = attributes.size(attributes.row(item))
    if size > LONGEST_ROW:
        raise ValueError(f"is {size:,} bytes as a row, and DynamoDB takes {LONGEST_ROW:,}")
    return item


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise ValueError(f"says {twice[:40]!r} twice; say it once")
    return found


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"is not JSON: {word} is no number")


def _whole(digits: str) -> int:
    if len(digits) > LONGEST_NUMBER:
        raise ValueError(f"has a number of {len(digits):,} digits, and a row holds {LONGEST_NUMBER}")
    return int(digits)


def _kind(name: str) -> type[Record]:
    from shared.product.records.by_table import KINDS

    if name not in KINDS:
        near = difflib.get_close_matches(name, KINDS, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"say one of {', '.join(KINDS)}"
        raise Stop(Exit.WRONG_USE, f"there is no record {name!r}; {hint}")
    return KINDS[name]


def _opened(place: Path) -> IO[bytes]:
    try:
        file = place.open("rb")
        file.peek(1)
    except OSError as error:
        raise Stop(Exit.WRONG_USE, f"{place} cannot be read: {error.strerror or error}") from None
    return cast(IO[bytes], gzip.GzipFile(fileobj=file)) if place.suffix == ".gz" else file


def _tell(args: argparse.Namespace, counts: dict[str, Any], rejects: Rejects, progress: Progress) -> None:
    if rejects.count > TOLD:
        output.say(f"and {rejects.count - TOLD:,} more")
    if rejects.count:
        output.say(f"what was rejected is in {rejects.place}, with the reasons")
    counts["rejects"] = str(rejects.place) if rejects.count else None
    if args.json:
        output.document({**counts, "ms": round(progress.seconds * 1000)})
    else:
        print(output.fields({name: value for name, value in counts.items() if value is not None}))
