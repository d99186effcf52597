"""How many jobs start when, over a UTC day: where ticks pile up, moving one by a minute costs nothing."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import chain, takewhile

from cli import output
from cli.exit_codes import Exit, Stop
from shared.clock import Clock
from shared.job import registry
from shared.job.definition import Job

HOURS, MINUTES = 24, 60
# Minutes that share a cell; it shows the busiest of them.
CELL = 5
WORST = 5
# More than so many jobs in one minute, besides those that start in every minute, on any of so many days: a month has
# every day of the week, and a first.
MOST = 5
DAYS = 31


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--day", help="a date such as 2026-11-21; today where it isn't said")
    parser.add_argument(
        "--check",
        action="store_true",
        help=f"fail where more than {MOST} jobs share a minute of the {DAYS} days from it",
    )
    parser.add_argument("--json", action="store_true", help='one object: {"day", "minutes": {"04:15": [job, ...]}}')


def call(args: argparse.Namespace) -> int:
    day = _day(args.day)
    if args.check:
        return _check(day, args.json)
    starts = ticks(registry.jobs().values(), day)
    if args.json:
        output.document({"day": f"{day:%Y-%m-%d}", "minutes": {f"{at:%H:%M}": starts[at] for at in sorted(starts)}})
    else:
        print(f"Jobs that start in the busiest minute of each {CELL}, {day:%Y-%m-%d} UTC\n")
        print("\n".join(drawn(starts, day)))
    return Exit.DONE


def crowded(jobs: Iterable[Job], day: datetime) -> dict[str, list[str]]:
    """The minutes of a day (`00:00`) that more than MOST jobs share, on the first of the days on which they do."""
    full: dict[str, list[str]] = {}
    starts = ticks(jobs, day, DAYS)
    counts = Counter(chain.from_iterable(starts.values()))
    always = {name for name, count in counts.items() if count == DAYS * HOURS * MINUTES}
    for at, names in sorted(starts.items()):
        if len(own := [name for name in names if name not in always]) > MOST:
            full.setdefault(f"{at:%H:%M}", own)
    return full


def ticks(jobs: Iterable[Job], day: datetime, days: int = 1) -> dict[datetime, list[str]]:
    """Every minute of the day, or of so many, at which something starts, and what does."""
    starts: dict[datetime, list[str]] = {}
    end = day + timedelta(days=days)
    for job in jobs:
        # A set: a minute that two schedules of a job share is one start of it.
        due = {
            tick
            for schedule in job.schedules()
            for tick in takewhile(lambda tick: tick < end, schedule.after(day - timedelta(minutes=1)))
        }
        for tick in due:
            starts.setdefault(tick, []).append(job.name)
    return starts


def drawn(starts: dict[datetime, list[str]], day: datetime) -> list[str]:
    lines = ["hour  " + "".join(f":{minute:02d} " for minute in range(0, MINUTES, CELL)).rstrip()]
    for hour in range(HOURS):
        cells = [day + timedelta(hours=hour, minutes=minute) for minute in range(0, MINUTES, CELL)]
        loads = [max(len(starts.get(cell + timedelta(minutes=n), ())) for n in range(CELL)) for cell in cells]
        lines.append(f"{hour:02d}    " + "".join(f"{load or '.':>3} " for load in loads).rstrip())
    busiest = sorted(starts, key=lambda at: (-len(starts[at]), at))[:WORST]
    return [*lines, "", *(f"{at:%H:%M}  {len(starts[at])}: {', '.join(starts[at])}" for at in busiest)]


def _check(day: datetime, as_json: bool) -> int:
    full = crowded(registry.jobs().values(), day)
    if as_json:
        output.document({"day": f"{day:%Y-%m-%d}", "days": DAYS, "most": MOST, "crowded": full})
    for minute, names in full.items():
        output.say(f"{minute} UTC has {len(names)} jobs, and {MOST} are the most: {', '.join(names)}")
    if full:
        output.say("Move some of them by a minute or more: `offset` of every(), `minute` of hourly() and daily()")
    return Exit.FAILED if full else Exit.DONE


def _day(text: str | None) -> datetime:
    try:
        day = datetime.fromisoformat(text) if text else Clock().now()
    except ValueError:
        raise Stop(Exit.WRONG_USE, f"--day {text!r} is no date; say one as in 2026-11-21") from None
    return day.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=UTC)
