"""Adds rows up by owner and period, each once: also those that come late, and after a crash in the middle."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import ClassVar

from shared import clock
from shared.aws import permissions
from shared.aws.permissions import Grant
from shared.job import retry_policies, settings, validation
from shared.job.definition import Job
from shared.job.outcome import Done, Outcome
from shared.job.retry import RetryPolicy
from shared.job.settings import Setting, SettingError
from shared.run.context import RunContext
from shared.store import watermark
from shared.store.add_once import Addition, add_once
from shared.store.age_index import LENGTH, TIMESTAMP, AgeIndex, ExpiredRows, Row, begins_with_timestamp, threads
from shared.store.watermark import Mark
from shared.tables import Index, Table

# Owners whose sums are written side by side, and how many lie between two looks at the time.
WIDTH = 16
CHUNK = 400
# Seconds left at which no further window or chunk is begun.
RESERVE = 20
# A window of more rows than the cap is halved, down to this.
SHORTEST = timedelta(seconds=1)
# For which an index may be behind its table: what it does not show yet would be met by no window.
LAG = timedelta(minutes=1)
# What counts for a day before its row was recorded may be this late; and this early, as clocks differ.
LATEST = timedelta(days=365)
EARLY = timedelta(hours=1)
NAMED = 20
# As records have it: a sum of these is still a number to the store.
MOST = 2**63

REFUSALS: tuple[validation.Refusal, ...] = (
    (
        lambda job: not all(hasattr(job, name) for name in ("table", "when", "sums", "into")),
        "says not what it adds up: table and index, when, sums, and into which table",
    ),
    (
        lambda job: job.index not in {index.name for index in job.table.indexes},
        "table {job.table.name!r} has no index {job.index!r} by the instant at which rows were recorded",
    ),
    (
        lambda job: not {job.when, *job.sums} <= {name for index in job.table.indexes for name in index.include},
        "adds up {job.sums} by {job.when!r}, and the index {job.index!r} does not include all of it",
    ),
    (
        lambda job: len(job.into.indexes) > 1,
        "adds up into {job.into.name!r}, which has more indexes than the one by age that sums are in",
    ),
    (lambda job: job.settle < LAG, "settle is {job.settle}; an index lags, give it a minute at least"),
    (lambda job: job.timeout < 60, "timeout is {job.timeout} s; a rollup keeps 20 back for its end, so give it 60"),
)

Sums = list[int]
Days = Mapping[date, Sums]


@dataclass(slots=True)
class Window:
    """What was recorded after `mark.upto`, by `end`: sums of each owner's days, rows counted last. faulty: rows that
    count for nothing; faults: the first of them, with the reason."""

    mark: Mark
    end: str
    owners: dict[str, dict[date, Sums]] = field(default_factory=lambda: defaultdict(dict))
    rows: int = 0
    faulty: int = 0
    faults: list[tuple[Row, str]] = field(default_factory=list)


class Rollup(Job, archetype=True):
    """Adds up what was recorded since the last run, by owner and by the day and week that each row counts for.

    table, index: whose rows, and the index that has them by the instant at which they were recorded. when: the
    attribute with the instant that a row counts for, often earlier. sums: attributes to add up; all in the index.
    into: where the sums stand, a row for each owner and period; there `counted` is the number of rows.
    settle: the default of `<ENV>_SETTLE`: rows younger than this wait for the next run, since an index lags behind.
    cap: rows of a window; one that has more is cut in half.
    """

    table: ClassVar[Table]
    index: ClassVar[str] = "aged"
    when: ClassVar[str]
    sums: ClassVar[tuple[str, ...]]
    into: ClassVar[Table]
    counted: ClassVar[str] = "rows"
    settle: ClassVar[timedelta] = timedelta(minutes=10)
    cap: ClassVar[int] = 500_000
    memory: ClassVar[int] = 1024
    timeout: ClassVar[int] = 900
    retry: ClassVar[RetryPolicy] = retry_policies.MAINTENANCE
    refusals: ClassVar[tuple[validation.Refusal, ...]] = REFUSALS

    @classmethod
    def all_settings(cls) -> tuple[Setting, ...]:
        meaning = f"How old a row must be for {cls.name} to add it up; it waits out the index's lag"
        return (*super().all_settings(), settings.span(f"{cls.env}_SETTLE", cls.settle, meaning))

    @classmethod
    def grants(cls) -> tuple[Grant, ...]:
        own = (watermark.reading(cls.name), watermark.writing(cls.name))
        tables = (permissions.read_rows(cls.table.name), permissions.update_rows(cls.into.name))
        return (*super().grants(), *own, *tables)

    def carry(self, run: RunContext, owner: str, days: Days, end: str) -> None:
        """Count an owner's sums wherever else they count, each once for `end`: see shared/store/add_once.py."""

    def work(self, run: RunContext) -> Outcome:
        mark, counts = watermark.read(run.cloud, self.name), Counter[str](rows=0)
        after: str = (run.checkpoint or {}).get(mark.closing or "-", "")
        until = self._until(run)
        span: timedelta | None = None
        while mark.closing or mark.upto < until:
            if run.room() < RESERVE:
                return Done(counts, checkpoint={})
            window = self._window(run, mark, mark.closing or self._end(run, mark, until, span))
            span = 2 * self._length(run, window)
            rest = self._write(run, window, after, counts)
            if rest:
                return Done(counts, checkpoint={window.end: rest})
            mark, after = Mark(window.end), ""
        return Done(counts)

    def plan(self, run: RunContext) -> list[str]:
        mark, until = watermark.read(run.cloud, self.name), self._until(run)
        if not mark.closing and mark.upto >= until:
            return []
        window = self._window(run, mark, mark.closing or self._end(run, mark, until, None))
        said = f"add up {window.rows:,} rows of {len(window.owners):,} owners, recorded by {window.end}"
        return [said, *(f"leave out {row.pk} {row.sk}: {why}" for row, why in window.faults)]

    def _until(self, run: RunContext) -> str:
        settled: timedelta = run.setting(f"{self.env}_SETTLE")
        if settled < LAG:
            raise SettingError(f"{self.env}_SETTLE={settled} is less than an index may lag; give it {LAG} at least")
        return clock.iso(min(run.at, run.started) - settled)

    def _end(self, run: RunContext, mark: Mark, until: str, span: timedelta | None) -> str:
        """Where the next window ends: not longer than twice the last one, since what was too much will be so again."""
        if span is None or not mark.upto:
            return until
        return min(until, clock.iso(clock.parse(mark.upto) + span))

    def _window(self, run: RunContext, mark: Mark, end: str) -> Window:
        """All rows of the window, and of no more than `cap` unless it was pinned before or cannot be cut any more."""
        while True:
            window = Window(mark, end)
            length = self._length(run, window)
            if self.gather(run, window, None if mark.closing or length <= SHORTEST else run.cap):
                return window
            end = clock.iso(clock.parse(end) - length / 2)

    def _length(self, run: RunContext, window: Window) -> timedelta:
        begin = window.mark.upto or self._eldest(run) or window.end
        return clock.parse(window.end) - clock.parse(begin)

    def _eldest(self, run: RunContext) -> str:
        """When the first row was recorded, a moment before; empty where there is none."""
        index = self.recorded()
        found = []
        for partition in index.partitions():
            answer = run.cloud.bulk.query(
                TableName=run.cloud.names.table(self.table.name),
                IndexName=index.name,
                KeyConditionExpression="#partition = :partition",
                ExpressionAttributeNames={"#partition": index.pk},
                ExpressionAttributeValues={":partition": {"S": partition}},
                Limit=1,
            )
            found += [item[index.sk]["S"] for item in answer["Items"]]
        dated = [since[:LENGTH] for since in found if begins_with_timestamp(since)]
        return clock.iso(clock.parse(min(dated)) - timedelta(milliseconds=1)) if dated else ""

    def gather(self, run: RunContext, window: Window, most: int | None) -> bool:
        """Sum up the window's rows; False as soon as there are more than `most`."""
        source = AgeIndex(self.table, self.recorded(), (self.when, *self.sums))
        aged = ExpiredRows(run.cloud, source, self.recorded().partitions(), window.end, window.mark.upto)
        for row in aged.rows():
            window.rows += 1
            if most is not None and window.rows > most:
                return False
            why = self._fault(row)
            if why:
                window.faulty += 1
                if len(window.faults) < NAMED:
                    window.faults.append((row, why))
                continue
            day, days = _day(row.item[self.when][:10]), window.owners[row.pk]
            sums = days.get(day) or days.setdefault(day, [0] * (len(self.sums) + 1))
            for number, name in enumerate(self.sums):
                sums[number] += row.item[name]
            sums[-1] += 1
        return True

    def _fault(self, row: Row) -> str:
        """Why a row counts for nothing; empty where it does."""
        when, since = row.item.get(self.when), row.since
        if not TIMESTAMP.match(since):
            return f"it was recorded at {since!r:.40}, no instant"
        if not isinstance(when, str) or not TIMESTAMP.fullmatch(when):
            return f"{self.when} is {when!r:.40}, no instant"
        for name in self.sums:
            value = row.item.get(name)
            if type(value) is not int or not 0 <= value < MOST:
                return f"{name} is {value!r:.40}, no count"
        try:
            _day(when[:10])
            # Most were recorded on their own day: text tells that, and the others are looked at closely.
            if when <= since and when[:10] == since[:10]:
                return ""
            late = clock.parse(since[:LENGTH]) - clock.parse(when)
        except ValueError:
            return f"{self.when} is {when!r:.40}, recorded at {since!r:.40}: one of them is no instant"
        if late < -EARLY:
            return f"{self.when} is {when}, after it was recorded"
        return f"{self.when} is {when}, {late.days} days before it was recorded" if late > LATEST else ""

    def _write(self, run: RunContext, window: Window, after: str, counts: Counter[str]) -> str:
        """Add the window to the sums; the last owner that was dealt with, where there was no time for the others."""
        for row, why in window.faults:
            run.log.error(f"{self.name}_faulty", key=f"{row.pk} {row.sk}", error=why)
        if window.owners:
            # Only from here on is anything written: a run after a crash must meet this window again, and no other.
            window.mark = watermark.pin(run.cloud, self.name, window.mark, window.end)
        owners, done = iter(sorted(owner for owner in window.owners if owner > after)), 0
        with threads(WIDTH) as pool:
            while chunk := list(islice(owners, CHUNK)):
                # Some in any case: a window whose reading takes up a run's time would never end.
                if done and run.remaining() < RESERVE:
                    return after
                for added in pool.map(lambda owner: self._add(run, window, owner), chunk):
                    counts["sums"] += added
                after, done = chunk[-1], done + len(chunk)
        watermark.close(run.cloud, self.name, window.mark, window.end)
        counts["rows"] += window.rows - window.faulty
        run.spend(items=window.rows)
        if window.faulty:
            counts["faulty"] += window.faulty
        return ""

    def _add(self, run: RunContext, window: Window, owner: str) -> int:
        """The sums of one owner; how many of them had not been added before."""
        days = window.owners[owner]
        added = sum(add_once(run.cloud, self.into, addition, window.end) for addition in self.additions(owner, days))
        self.carry(run, owner, days, window.end)
        return added

    def additions(self, owner: str, days: Days) -> Iterator[Addition]:
        """To the rows of the days, and of the weeks that they lie in."""
        names = (*self.sums, self.counted)
        for period, (first, sums) in _periods(days).items():
            start = datetime(first.year, first.month, first.day, tzinfo=UTC)
            since: dict[str, str] = {}
            for index in self.into.indexes:
                since = {index.pk: index.partition(f"{owner}#{period}"), index.sk: clock.iso(start)}
            first_time = {"v": 1, "from_at": clock.iso(start), **since}
            yield Addition(owner, period, dict(zip(names, sums, strict=True)), first_time)

    @classmethod
    def recorded(cls) -> Index:
        """The index by the instant at which rows were recorded."""
        [index] = (index for index in cls.table.indexes if index.name == cls.index)
        return index


@lru_cache(maxsize=1024)
def _day(text: str) -> date:
    return date.fromisoformat(text)


def day(found: date) -> str:
    return f"day#{found}"


def week(found: date) -> str:
    """Of ISO 8601: `week#2026-W47`; the first days of a year may belong to the last week of the one before."""
    year, number, _ = found.isocalendar()
    return f"week#{year}-W{number:02d}"


def _periods(days: Days) -> dict[str, tuple[date, Sums]]:
    """The sums by period, with the day that it begins on."""
    found: dict[str, tuple[date, Sums]] = {}
    for each, sums in days.items():
        found[day(each)] = (each, sums)
        monday = each - timedelta(days=each.weekday())
        _, before = found.get(week(each), (monday, [0] * len(sums)))
        found[week(each)] = (monday, [one + other for one, other in zip(before, sums, strict=True)])
    return found
