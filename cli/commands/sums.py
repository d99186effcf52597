"""Add up messages in files, and compare the sums with the rollups.

The files have the format of `load messages`. For a laptop only: the work is done by polars, which is larger than all
other packages of a function.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cli import options, output
from cli.exit_codes import CommandError, Exit

if TYPE_CHECKING:
    from polars import DataFrame, LazyFrame

    from shared.aws.cloud import Cloud

EXAMPLES = ("sums messages.jsonl --json", "sums messages.jsonl --compare --aws --stage prod")
ROWS_PER_READ = 1000


class Sum(NamedTuple):
    user: str
    #: Sort key of the rollup's row: `day#2026-11-20` or `week#2026-W47`.
    id: str
    bytes_used: int
    messages: int


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", type=Path, nargs="+", help="JSON Lines, one message on each line")
    parser.add_argument(
        "--compare", action="store_true", help="print only sums that differ from the rollups; exit code 1 if any does"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON array (default: an object on each line)")
    options.add_arguments(parser)


def call(args: argparse.Namespace) -> int:
    for file in args.files:
        if not file.is_file():
            raise CommandError(Exit.WRONG_USE, f"{file} is not a file")
    computed = sums(args.files)
    if not args.compare:
        _print((line._asdict() for line in computed), args)
        return Exit.DONE
    with options.open_cloud(args) as cloud:
        different = ({**line._asdict(), "stands": stored} for line, stored in differences(cloud, computed))
        count = _print(different, args)
    output.notice(f"{count:,} sums differ from the rollups" if count else "all sums equal the rollups")
    return Exit.FAILED if count else Exit.DONE


def _print(lines: Iterable[dict[str, Any]], args: argparse.Namespace) -> int:
    """Print the lines and return their number.

    As an array at the end, or each as it is read.
    """
    if args.json:
        output.document(found := list(lines))
        return len(found)
    count = 0
    for line in lines:
        count += 1
        print(json.dumps(line, ensure_ascii=False))
    return count


def sums(files: Sequence[Path]) -> Iterator[Sum]:
    """The sums, ordered by user.

    Raises CommandError for a file that does not contain messages.
    """
    try:
        import polars
    except ImportError:
        raise CommandError(Exit.WRONG_USE, "this command needs polars: `uv sync --extra sums`") from None
    try:
        days = _days(files)
    except polars.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise CommandError(Exit.WRONG_USE, f"a file does not contain one message on each line: {reason}") from None
    for user, name, used, count in (
        polars.concat([_named(days, False), _named(days, True)]).sort("user", "id").iter_rows()
    ):
        yield Sum(user, name, used, count)


def _days(files: Sequence[Path]) -> DataFrame:
    """Columns user, day, bytes, messages.

    Dates of UTC timestamps are cut out as text, which is much faster.
    """
    import polars
    from polars import col

    schema = {"user": polars.String, "received_at": polars.String, "bytes_used": polars.Int64}
    lines = polars.scan_ndjson(list(files), schema=schema).filter(polars.all_horizontal(col(*schema).is_not_null()))
    plain = col("received_at").str.ends_with("Z")
    shifted = col("received_at").str.replace(" ", "T").str.to_datetime(time_zone="UTC").dt.date().cast(polars.String)
    cut, read = col("received_at").str.slice(0, 10), _any(lines.filter(~plain))
    parts = [lines.filter(plain).select("user", cut.alias("day"), "bytes_used")]
    if read:
        parts.append(lines.filter(~plain).select("user", shifted.alias("day"), "bytes_used"))
    grouped = polars.concat(parts).group_by("user", "day").agg(col("bytes_used").sum(), polars.len().alias("messages"))
    return grouped.collect(engine="streaming").with_columns(col("day").str.to_date())


def _any(lines: LazyFrame) -> bool:
    return not lines.head(1).collect(engine="streaming").is_empty()


def _named(days: DataFrame, weeks: bool) -> DataFrame:
    import polars
    from polars import col

    name = polars.format("week#{}", col("day").dt.strftime("%G-W%V")) if weeks else polars.format("day#{}", col("day"))
    counted = (col("bytes_used").sum(), col("messages").sum().cast(polars.Int64))
    return days.group_by("user", name.alias("id")).agg(*counted).select("user", "id", "bytes_used", "messages")


def differences(cloud: Cloud, computed: Iterable[Sum]) -> Iterator[tuple[Sum, Any]]:
    """Sums that differ from the rollups, with the stored `[bytes, messages]`."""
    from itertools import islice

    from shared.store.batch_get import Key, batch_get
    from shared.tables import ROLLUPS

    computed = iter(computed)
    while chunk := list(islice(computed, ROWS_PER_READ)):
        rows = batch_get(cloud, [Key(ROLLUPS.name, each.user, each.id) for each in chunk])
        for each in chunk:
            row = rows.get(Key(ROLLUPS.name, each.user, each.id))
            stored = [row.get("bytes_used", 0), row.get("messages", 0)] if row else None
            if stored != [each.bytes_used, each.messages]:
                yield each, stored
