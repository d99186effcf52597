"""Schedules: Unix cron fields, their constructors, and EventBridge expressions.

The EventBridge form is exact.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from functools import cache, lru_cache

from shared.job.cron_field import DAY, HOUR, MINUTE, MONTH, WEEKDAY, Field, ScheduleError, values_text

UTC_ZONE = "UTC"
OFF = "off"
SHORTCUTS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}
ACCEPTED = (
    "write five cron fields, with a time zone other than UTC if needed, as in '30 7 * * 1-5 Europe/Berlin', or one of "
    f"{', '.join(SHORTCUTS)}; separate several by ';'; 'off' for none"
)
LONGEST_MONTH = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
# A list of all 60 minutes has 169 characters.
MAX_LENGTH = 1000
STEP = re.compile(r"\*/[0-9]+")


@dataclass(frozen=True, slots=True)
class Schedule:
    """A Unix cron expression (0 is Sunday) in a time zone.

    Raises ScheduleError if it is invalid.
    """

    expression: str
    zone: str = UTC_ZONE

    def __post_init__(self) -> None:
        object.__setattr__(self, "expression", SHORTCUTS.get(self.expression, self.expression))
        if self.zone != UTC_ZONE and self.zone not in _zone_names():
            raise ScheduleError(f"{self.zone!r} after the five fields is no time zone, such as Europe/Berlin")
        _, _, days, months, weekdays = self.fields()
        if self.either_day:
            return
        if len(weekdays) < 7 and len(days) < 31:
            # Vixie cron requires both if one begins with a star, POSIX either of them.
            raise ScheduleError(f"{self.expression!r}: crons differ on a starred step beside a day; list the values")
        if len(weekdays) == 7 and not any(day <= LONGEST_MONTH[month - 1] for month in months for day in days):
            raise ScheduleError(f"{self.expression!r} never fires: no such day in such a month")

    @property
    def either_day(self) -> bool:
        """Whether a tick needs only one of the two days.

        As in Vixie cron: neither field begins with a star, even if one of them lists all its values.
        """
        _, _, day, _, weekday = self.expression.split()
        return not day.startswith("*") and not weekday.startswith("*")

    @property
    def every_day(self) -> bool:
        """Whether every day of the declared months has a tick."""
        _, _, days, _, weekdays = self.fields()
        full = (len(days) == 31, len(weekdays) == 7)
        return any(full) if self.either_day else all(full)

    @property
    def unix(self) -> str:
        """The expression in forms that all crons read alike.

        Crons differ on `sat-sun`, `3-3/2`, and fields that list a star among others.
        """
        minute, hour, month = (
            "*" if len(values) == field.high - field.low + 1 else text if STEP.fullmatch(text) else values_text(values)
            for field, values, text in self._time_fields()
        )
        _, _, days, _, weekdays = self.fields()
        day = "*" if len(days) == 31 and not self.either_day else values_text(days)
        weekday = "*" if len(weekdays) == 7 and not self.either_day else values_text(weekdays)
        return f"{minute} {hour} {day} {month} {weekday}"

    def _time_fields(self) -> Iterator[tuple[Field, frozenset[int], str]]:
        parts, values = self.expression.split(), self.fields()
        return ((field, values[index], parts[index]) for index, field in ((0, MINUTE), (1, HOUR), (3, MONTH)))

    def fields(self) -> tuple[frozenset[int], ...]:
        """Values of minute, hour, day of month, month, day of week."""
        if len(self.expression) > MAX_LENGTH:
            raise ScheduleError(f"{self.expression[:40]!r}... has over {MAX_LENGTH} characters")
        parts = self.expression.split()
        if len(parts) != 5:
            raise ScheduleError(f"{self.expression!r} has {len(parts)} fields; minute hour day month weekday are five")
        parsed = [field.parse(part) for field, part in zip((MINUTE, HOUR, DAY, MONTH, WEEKDAY), parts, strict=True)]
        parsed[4] = frozenset(value % 7 for value in parsed[4])
        return tuple(parsed)

    def eventbridge(self) -> tuple[str, ...]:
        """EventBridge expressions `cron(...)` of six fields.

        Two if a tick needs the day of month or the day of week.
        """
        minutes, hours, days, months, weekdays = self.fields()
        minute, hour, month = MINUTE.eventbridge(minutes), HOUR.eventbridge(hours), MONTH.eventbridge(months)
        day = f"{DAY.eventbridge(days)} {month} ?"
        # EventBridge counts 1 to 7 from Sunday; a step would count past Saturday, so days are listed.
        weekday = f"? {month} {','.join(str(value + 1) for value in sorted(weekdays))}"
        if self.every_day:
            forms = [f"* {month} ?"]
        elif self.either_day:
            forms = [day, weekday]
        else:
            forms = [day] if len(weekdays) == 7 else [weekday]
        return tuple(f"cron({minute} {hour} {form} *)" for form in forms)

    @property
    def every_hour(self) -> bool:
        """Whether every hour has a tick."""
        _, hours, _, months, _ = self.fields()
        return len(hours) == 24 and len(months) == 12 and self.every_day

    def after(self, start: datetime) -> Iterator[datetime]:
        """Yield the ticks later than `start`, in UTC, without end.

        As in EventBridge Scheduler, a local time that is skipped in spring has no tick, and one that is repeated in
        autumn has one. https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
        """
        from cronsim import CronSim

        if self.zone == UTC_ZONE:
            yield from CronSim(self.unix, start.astimezone(UTC))
            return
        from zoneinfo import ZoneInfo

        zone = ZoneInfo(self.zone)
        yield from in_utc(CronSim(self.unix, start.astimezone(zone).replace(tzinfo=None)), zone, start)

    def __str__(self) -> str:
        return self.expression if self.zone == UTC_ZONE else f"{self.expression} {self.zone}"


def in_utc(local_times: Iterable[datetime], zone: tzinfo, start: datetime) -> Iterator[datetime]:
    """Yield local times later than `start` in UTC.

    Times that a clock change skips are left out, and repeated ones are yielded once.
    """
    for local in local_times:
        tick = local.replace(tzinfo=zone).astimezone(UTC)
        if tick > start and tick.astimezone(zone).replace(tzinfo=None) == local:
            yield tick


@lru_cache(maxsize=1024)
def read(text: str) -> Schedule:
    """The schedule of a text that `str(schedule)` returned."""
    words = text.split()
    fields = 1 if words[:1] and words[0] in SHORTCUTS else 5
    return Schedule(" ".join(words[:fields]), " ".join(words[fields:]) or UTC_ZONE)


def parse(text: str) -> tuple[Schedule, ...]:
    """Schedules of a setting: one, several separated by `;`, or `off`.

    Raises ScheduleError.
    """
    if text.strip().lower() == OFF:
        return ()
    if "(" in text:
        raise ScheduleError(f"cron(...), rate(...) and at(...) are EventBridge expressions; {ACCEPTED}")
    try:
        return tuple(dict.fromkeys(map(read, text.split(";"))))
    except ScheduleError as error:
        raise ScheduleError(f"{error}; {ACCEPTED}") from None


def text(schedules: Iterable[Schedule]) -> str:
    return "; ".join(map(str, schedules)) or OFF


@cache
def _zone_names() -> frozenset[str]:
    """Names of the IANA database, which EventBridge knows.

    `zoneinfo` opens more files than these: localtime, posixrules, right/UTC. They differ from machine to machine.
    """
    from importlib.resources import files

    return frozenset(files("tzdata").joinpath("zones").read_text("ascii").split()) - {"Factory"}


def every(*, minutes: int, offset: int = 0) -> Schedule:
    """Every `minutes` minutes, which must divide the hour.

    `offset` is the first minute.
    """
    if minutes < 1 or 60 % minutes:
        raise ScheduleError(f"every {minutes} minutes does not divide the hour; use cron()")
    if not 0 <= offset < minutes:
        raise ScheduleError(f"offset {offset} is not between 0 and {minutes - 1}")
    if minutes == 1:
        return Schedule("* * * * *")
    return Schedule(f"{offset}-59/{minutes} * * * *" if offset else f"*/{minutes} * * * *")


def hourly(*, minute: int) -> Schedule:
    return Schedule(f"{minute} * * * *")


def daily(*, hour: int, minute: int, zone: str = UTC_ZONE) -> Schedule:
    return Schedule(f"{minute} {hour} * * *", zone)


def weekly(*, day: str, hour: int, minute: int, zone: str = UTC_ZONE) -> Schedule:
    return Schedule(f"{minute} {hour} * * {day}", zone)


def monthly(*, day: int, hour: int, minute: int, zone: str = UTC_ZONE) -> Schedule:
    return Schedule(f"{minute} {hour} {day} * *", zone)


def cron(expression: str, zone: str = UTC_ZONE) -> Schedule:
    """Five Unix fields, or one of @hourly @daily @weekly @monthly @yearly."""
    return Schedule(expression, zone)


class CatchUp(StrEnum):
    """Treatment of missed ticks."""

    NONE = "none"
    """The next tick does their work."""
    ONCE = "once"
    """The newest missed tick is run late, unless a later tick has run."""

    @classmethod
    def by_default(cls, schedules: Sequence[Schedule], grace: int | None) -> CatchUp:
        """ONCE if ticks may be over an hour apart, else NONE.

        A tick does all work that is due, so the next one does the work of a missed one. A grace excludes late runs.
        """
        hourly = any(schedule.every_hour for schedule in schedules)
        return cls.NONE if hourly or not schedules or grace is not None else cls.ONCE
