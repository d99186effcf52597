"""What messages in files add up to, by user, day and week: to hold against the sums that the rollup has made of them.

The files are as `load messages` takes them. It is for a laptop: polars, which does the work, is larger than all that a
function carries.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cli import options, output
from cli.exit_codes import Exit, Stop

if TYPE_CHECKING:
    from polars import DataFrame, LazyFrame

    from shared.aws.cloud import Cloud

AT_ONCE = 1000
TOLD = 20


class Sum(NamedTuple):
    """id: `day#2026-11-20` or `week#2026-W47`, as the row of a rollup has it."""

    user: str
    id: str
    bytes_used: int
    messages: int


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", type=Path, nargs="+", help="JSON Lines, a message a line")
    parser.add_argument("--compare", action="store_true", help="print only what the rollups have otherwise; 1 if any")
    options.arguments(parser)


def call(args: argparse.Namespace) -> int:
    for file in args.files:
        if not file.is_file():
            raise Stop(Exit.WRONG_USE, f"{file} is no file")
    found = sums(args.files)
    if not args.compare:
        for line in found:
            print(json.dumps(line._asdict(), ensure_ascii=False))
        return Exit.DONE
    with options.opened(args) as cloud:
        wrong = 0
        for line, stands in against(cloud, found):
            wrong += 1
            print(json.dumps({**line._asdict(), "stands": stands}, ensure_ascii=False))
    output.say(f"{wrong:,} sums stand otherwise" if wrong else "all sums stand as the files have them")
    return Exit.FAILED if wrong else Exit.DONE


def sums(files: Sequence[Path]) -> Iterator[Sum]:
    """In the order of users. Raises Stop where a file cannot be read as messages."""
    try:
        import polars
    except ImportError:
        raise Stop(Exit.WRONG_USE, "summing files takes polars: `uv sync --extra sums`") from None
    try:
        days = _days(files)
    except polars.exceptions.PolarsError as error:
        raise Stop(Exit.WRONG_USE, f"the files are no messages, a line each: {str(error).splitlines()[0]}") from None
    for user, name, used, count in (
        polars.concat([_named(days, False), _named(days, True)]).sort("user", "id").iter_rows()
    ):
        yield Sum(user, name, used, count)


def _days(files: Sequence[Path]) -> DataFrame:
    """user, day, bytes, messages. Of instants that end with Z the date is cut out, which is most of the speed."""
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


def against(cloud: Cloud, found: Iterable[Sum]) -> Iterator[tuple[Sum, Any]]:
    """Those that the rollups have otherwise, with what they have: bytes and messages, or None."""
    from itertools import islice

    from shared.store.batch_get import Key, batch_get
    from shared.tables import ROLLUPS

    found = iter(found)
    while chunk := list(islice(found, AT_ONCE)):
        rows = batch_get(cloud, [Key(ROLLUPS.name, each.user, each.id) for each in chunk])
        for each in chunk:
            row = rows.get(Key(ROLLUPS.name, each.user, each.id))
            stands = [row.get("bytes_used", 0), row.get("messages", 0)] if row else None
            if stands != [each.bytes_used, each.messages]:
                yield each, stands
