"""Load records from a file of JSON Lines into their table.

docs/reference/records.md describes the fields.

An invalid line is reported with its number and written to <FILE>.rejects.jsonl with the reason; the others are loaded.
An existing row is left unchanged, so that the same file may be loaded again; only a quarantined row, which has the
attribute `fault`, is replaced.
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
from cli.exit_codes import CommandError, Exit
from cli.progress import Progress
from shared.aws import attributes
from shared.clock import Clock
from shared.text.regular_file import open_regular

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.store.bulk_put import BulkWriter
    from shared.store.record import Record

EXAMPLES = ("load users users.jsonl --check", "load users users.jsonl.gz --aws --stage prod")
# DynamoDB's limit for a row; a line may be longer because of escapes and spaces.
LONGEST_ROW = 400 * 1024
LONGEST_LINE = 4 * LONGEST_ROW
# DynamoDB's limit for the digits of a number.
LONGEST_NUMBER = 38
# Rejected lines that are printed; the file has all of them.
REJECTS_SHOWN = 20
PROGRESS_SECONDS = 5
BOM = b"\xef\xbb\xbf"
# Takes the place of everything that cannot be decompressed; compared by identity, so no line equals it.
DAMAGED = b"damaged"


@dataclass(slots=True)
class Rejects:
    """The lines that were not loaded.

    Their file is created with the first one.
    """

    place: Path
    count: int = 0
    file: IO[str] | None = None

    def add(self, number: int, reason: str, line: bytes) -> None:
        if self.file is None:
            # Readable by the user only: it contains lines of the file.
            self.file = _open_private(self.place)
        self.count += 1
        if self.count <= REJECTS_SHOWN:
            output.notice(f"line {number}: {reason}")
        text = line.decode(errors="backslashreplace").rstrip("\r\n")
        self.file.write(json.dumps({"line": number, "reason": reason, "text": text}, ensure_ascii=False) + "\n")


def _open_private(place: Path) -> IO[str]:
    try:
        return os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8")
    except OSError as error:
        reason = error.strerror or error
        raise CommandError(Exit.WRONG_USE, f"{place}, for rejected lines, cannot be written: {reason}") from None


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("record", help="kind of record: the name of its table, such as users or failed-emails")
    parser.add_argument("file", type=Path, help="JSON Lines, one record on each line; FILE.jsonl.gz is decompressed")
    parser.add_argument("--check", action="store_true", help="validate all lines, and write nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON object: counts of lines, rows and rejects")
    options.add_arguments(parser)


def call(args: argparse.Namespace) -> int:
    kind, progress = _find_kind(args.record), Progress()
    with ExitStack() as stack:
        file = stack.enter_context(_open(args.file))
        rejects = Rejects(args.file.with_name(f"{args.file.name}.rejects.jsonl"))
        # The rejects of an earlier load are outdated.
        with suppress(OSError):
            rejects.place.unlink()
        stack.callback(lambda: rejects.file and rejects.file.close())
        if args.check:
            counts = _load(kind, file, rejects, None, Clock().now(), progress)
        else:
            cloud = stack.enter_context(options.open_cloud(args))
            counts = _load_rows(cloud, kind, file, rejects, progress)
    _print_summary(args, {"record": args.record, "file": str(args.file), **counts}, rejects, progress)
    return Exit.FAILED if rejects.count else Exit.DONE


def _load_rows(
    cloud: Cloud, kind: type[Record], file: IO[bytes], rejects: Rejects, progress: Progress
) -> dict[str, int]:
    from shared.store.bulk_put import BulkWriter
    from shared.store.throttling import Throttled

    try:
        with BulkWriter(cloud, kind.table) as writer:
            counts = _load(kind, file, rejects, writer, cloud.clock.now(), progress)
    except Throttled as error:
        raise CommandError(Exit.FAILED, str(error)) from None
    return {**counts, "written": writer.written, "there": writer.there}


def _load(
    kind: type[Record], file: IO[bytes], rejects: Rejects, writer: BulkWriter | None, now: datetime, progress: Progress
) -> dict[str, int]:
    lines, reported = 0, progress.seconds
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
        if progress.seconds - reported > PROGRESS_SECONDS:
            reported = progress.seconds
            progress(f"{lines:,} lines read")
    return {"lines": lines, "rejected": rejects.count}


def _lines(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Each line with its number.

    A line that is too long is cut to a length that no row can have.
    """
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
    """The row. Raises ValueError, whose message never quotes the line."""
    if line is DAMAGED:
        raise ValueError("and the rest cannot be decompressed; the file is damaged or truncated")
    if len(line) > LONGEST_LINE:
        raise ValueError(f"is longer than {LONGEST_LINE:,} bytes")
    try:
        data = json.loads(
            line.decode(), parse_constant=_refuse_constant, parse_int=_parse_int, object_pairs_hook=_unique_names
        )
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8: byte {error.start + 1} does not begin a character") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error.msg} at character {error.pos + 1}") from None
    except RecursionError:
        raise ValueError("is not a record: it is nested too deeply") from None
    if not isinstance(data, Mapping):
        raise ValueError(f"is not a JSON object but {type(data).__name__}")
    item = kind.read(data, now).item()
    size = attributes.size(attributes.row(item))
    if size > LONGEST_ROW:
        raise ValueError(f"is {size:,} bytes as a row; DynamoDB's limit is {LONGEST_ROW:,}")
    return item


def _unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) < len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise ValueError(f"has the name {twice[:40]!r} twice")
    return data


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"is not JSON: {word} is not a number")


def _parse_int(digits: str) -> int:
    if len(digits) > LONGEST_NUMBER:
        raise ValueError(f"has a number of {len(digits):,} digits; DynamoDB's limit is {LONGEST_NUMBER}")
    return int(digits)


def _find_kind(name: str) -> type[Record]:
    from shared.product.records.by_table import KINDS

    if name not in KINDS:
        near = difflib.get_close_matches(name, KINDS, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"use one of {', '.join(KINDS)}"
        raise CommandError(Exit.WRONG_USE, f"there is no record {name!r}; {hint}")
    return KINDS[name]


def _open(place: Path) -> IO[bytes]:
    try:
        file = open_regular(place)
    except OSError as error:
        raise CommandError(Exit.WRONG_USE, f"{place} cannot be read: {error.strerror or error}") from None
    return cast(IO[bytes], gzip.GzipFile(fileobj=file)) if place.suffix == ".gz" else file


def _print_summary(args: argparse.Namespace, counts: dict[str, Any], rejects: Rejects, progress: Progress) -> None:
    if rejects.count > REJECTS_SHOWN:
        output.notice(f"and {rejects.count - REJECTS_SHOWN:,} more")
    if rejects.count:
        output.notice(f"the rejected lines are in {rejects.place}, with the reasons")
    counts["rejects"] = str(rejects.place) if rejects.count else None
    if args.json:
        output.document({**counts, "ms": round(progress.seconds * 1000)})
    else:
        print(output.fields({name: value for name, value in counts.items() if value is not None}))
