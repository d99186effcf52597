"""Show how many jobs start in each part of a UTC day."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import chain, takewhile

from cli import output
from cli.exit_codes import CommandError, Exit
from shared.clock import Clock
from shared.job import registry
from shared.job.definition import Job

EXAMPLES = ("heatmap", "heatmap --check --day 2026-11-21")
HOURS, MINUTES = 24, 60
# Minutes in a cell; it shows the busiest of them.
CELL = 5
BUSIEST_SHOWN = 5
# Jobs that may start in the same minute, besides those that start in every minute.
MAX_JOBS = 5
# A month contains every day of the week and a first of the month.
DAYS = 31


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--day", metavar="DATE", help="a date such as 2026-11-21 (default: today)")
    parser.add_argument(
        "--check",
        action="store_true",
        help=f"fail if more than {MAX_JOBS} jobs share a minute of the {DAYS} days from DATE",
    )
    parser.add_argument(
        "--json", action="store_true", help='print one JSON object: {"day", "minutes": {"04:15": [job, ...]}}'
    )


def call(args: argparse.Namespace) -> int:
    day = _day(args.day)
    if args.check:
        return _check(day, args.json)
    starts = ticks(registry.jobs().values(), day)
    if args.json:
        output.document({"day": f"{day:%Y-%m-%d}", "minutes": {f"{at:%H:%M}": starts[at] for at in sorted(starts)}})
    else:
        print(f"Jobs that start in the busiest minute of each {CELL}, {day:%Y-%m-%d} UTC\n")
        print("\n".join(draw(starts, day)))
    return Exit.DONE


def crowded(jobs: Iterable[Job], day: datetime) -> dict[str, list[str]]:
    """Minutes (`00:00`) that more than MAX_JOBS jobs share on any day."""
    found: dict[str, list[str]] = {}
    starts = ticks(jobs, day, DAYS)
    counts = Counter(chain.from_iterable(starts.values()))
    every_minute = {name for name, count in counts.items() if count == DAYS * HOURS * MINUTES}
    for at, names in sorted(starts.items()):
        if len(counted := [name for name in names if name not in every_minute]) > MAX_JOBS:
            found.setdefault(f"{at:%H:%M}", counted)
    return found


def ticks(jobs: Iterable[Job], day: datetime, days: int = 1) -> dict[datetime, list[str]]:
    """The jobs that start in each minute of `days` days.

    Minutes without a start are left out.
    """
    starts: dict[datetime, list[str]] = {}
    end = day + timedelta(days=days)
    for job in jobs:
        # A set: two schedules of a job that share a minute start it once.
        due = {
            tick
            for schedule in job.schedules()
            for tick in takewhile(lambda tick: tick < end, schedule.after(day - timedelta(minutes=1)))
        }
        for tick in due:
            starts.setdefault(tick, []).append(job.name)
    return starts


def draw(starts: dict[datetime, list[str]], day: datetime) -> list[str]:
    lines = ["hour  " + "".join(f":{minute:02d} " for minute in range(0, MINUTES, CELL)).rstrip()]
    for hour in range(HOURS):
        cells = [day + timedelta(hours=hour, minutes=minute) for minute in range(0, MINUTES, CELL)]
        loads = [max(len(starts.get(cell + timedelta(minutes=n), ())) for n in range(CELL)) for cell in cells]
        lines.append(f"{hour:02d}    " + "".join(f"{load or '.':>3} " for load in loads).rstrip())
    busiest = sorted(starts, key=lambda at: (-len(starts[at]), at))[:BUSIEST_SHOWN]
    return [*lines, "", *(f"{at:%H:%M}  {len(starts[at])}: {', '.join(starts[at])}" for at in busiest)]


def _check(day: datetime, as_json: bool) -> int:
    minutes = crowded(registry.jobs().values(), day)
    if as_json:
        output.document({"day": f"{day:%Y-%m-%d}", "days": DAYS, "most": MAX_JOBS, "crowded": minutes})
    for minute, names in minutes.items():
        output.notice(f"{len(names)} jobs start at {minute} UTC, and {MAX_JOBS} may: {', '.join(names)}")
    if minutes:
        output.notice("Move some of them by a minute or more: `offset` of every(), `minute` of hourly() and daily()")
    return Exit.FAILED if minutes else Exit.DONE


def _day(text: str | None) -> datetime:
    try:
        day = datetime.fromisoformat(text) if text else Clock().now()
    except ValueError:
        raise CommandError(Exit.WRONG_USE, f"--day {text!r} is not a date; use one such as 2026-11-21") from None
    return day.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=UTC)
