"""Rollup: sums of rows by owner and period.

Each row is added exactly once, late rows included.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from functools import partial
from itertools import islice

from shared import clock
from shared.advised_commands import advised
from shared.archetypes.rollup.definition import LAG, RollupDefinition
from shared.archetypes.rollup.pending import PendingSums
from shared.archetypes.rollup.periods import Days, day, week
from shared.archetypes.rollup.window import EARLY, LATEST, Window
from shared.job.outcome import Done, Outcome
from shared.job.setting import SettingError
from shared.run.context import RunContext
from shared.run.owner_failures import OwnerFailures
from shared.store import table, watermark
from shared.store.add_once import add_once
from shared.store.age_index import LENGTH, AgeIndex, ExpiredRows, begins_with_timestamp, threads
from shared.store.watermark import Watermark

__all__ = ["EARLY", "LATEST", "Days", "Rollup", "Window", "day", "week"]

# Owners whose sums are written concurrently, and owners between two checks of the remaining time.
WIDTH = 16
CHUNK = 400
# No window or chunk begins with fewer seconds left.
RESERVE = 20
# A window of more rows than the cap is halved, down to this length.
SHORTEST = timedelta(seconds=1)


class Rollup(RollupDefinition, archetype=True):
    """Add the rows recorded since the last run to sums.

    Sums are by owner, and by the day and week that each row counts for.
    """

    def work(self, run: RunContext) -> Outcome:
        failures = OwnerFailures(run)
        return failures.end(self._work(run, PendingSums(run, failures)))

    def _work(self, run: RunContext, pending: PendingSums) -> Done:
        mark, counts = watermark.read(run.cloud, self.name), Counter[str](rows=0)
        if watermark.is_ahead(run.cloud, mark):
            return Done(counts, ok=False, note=self._ahead(run, mark))
        pending.add(partial(self._add, run))
        after: str = (run.checkpoint or {}).get(mark.closing or "-", "")
        until = self._until(run)
        span: timedelta | None = None
        while mark.closing or mark.upto < until:
            if run.time_for_more() < RESERVE:
                return Done(counts, checkpoint={})
            window = self._window(run, mark, mark.closing or self._end(mark, until, span))
            span = 2 * self._length(run, window)
            last_owner = self._write(run, window, after, counts, pending)
            if last_owner:
                return Done(counts, checkpoint={window.end: last_owner})
            mark, after = Watermark(window.end), ""
        return Done(counts)

    def plan(self, run: RunContext) -> list[str]:
        mark, until = watermark.read(run.cloud, self.name), self._until(run)
        if watermark.is_ahead(run.cloud, mark):
            return [self._ahead(run, mark)]
        rows, owners, faults = 0, set[str](), list[str]()
        end, span = "", None
        while mark.closing or mark.upto < until:
            if run.remaining() < RESERVE:
                faults.append(f"add up more rows, recorded after {end}: too many to read now")
                break
            window = self._window(run, mark, mark.closing or self._end(mark, until, span))
            rows, end, span = rows + window.rows, window.end, 2 * self._length(run, window)
            owners |= {*window.owners}
            faults += [f"leave out {row.pk} {row.sk}: {why}" for row, why in window.faults]
            mark = Watermark(window.end)
        return [f"add up {rows:,} rows of {len(owners):,} owners, recorded by {end}", *faults] if end else []

    def _ahead(self, run: RunContext, mark: Watermark) -> str:
        advice = advised(run.cloud.names.stage, "reset", self.name, "--watermark", "TIME", "--dry-run")
        note = f"the watermark {mark.furthest} is ahead of the clock, as a run under a wrong clock left it"
        return f"{note}; rows recorded since are in no sum: {advice}"

    def gather(self, run: RunContext, window: Window, limit: int | None) -> bool:
        """Add the window's rows to its sums.

        False as soon as there are more than `limit`.
        """
        source = AgeIndex(self.table, self.recorded(), (self.when, *self.sums))
        recorded = ExpiredRows(run.cloud, source, self.recorded().partitions(), window.end, window.mark.upto)
        for row in recorded.rows():
            window.rows += 1
            if limit is not None and window.rows > limit:
                return False
            window.add(row, self.when, self.sums)
        return True

    def _until(self, run: RunContext) -> str:
        settle: timedelta = run.setting(f"{self.env}_SETTLE")
        if settle < LAG:
            raise SettingError(f"{self.env}_SETTLE={settle} is less than an index may lag; set it to {LAG} or more")
        return clock.iso(min(run.at, run.started) - settle)

    def _end(self, mark: Watermark, until: str, span: timedelta | None) -> str:
        """End of the next window.

        The window is at most twice as long as the last one, which may have been halved.
        """
        if span is None or not mark.upto:
            return until
        return min(until, clock.iso(clock.parse(mark.upto) + span))

    def _window(self, run: RunContext, mark: Watermark, end: str) -> Window:
        """The next window with its sums.

        It has at most `cap` rows, unless it was pinned or cannot be halved further.
        """
        while True:
            window = Window(mark, end)
            length = self._length(run, window)
            if self.gather(run, window, None if mark.closing or length <= SHORTEST else run.cap):
                return window
            end = clock.iso(clock.parse(end) - length / 2)

    def _length(self, run: RunContext, window: Window) -> timedelta:
        begin = window.mark.upto or self._oldest(run) or window.end
        return clock.parse(window.end) - clock.parse(begin)

    def _oldest(self, run: RunContext) -> str:
        """A millisecond before the first recorded row; empty without rows."""
        index = self.recorded()
        recorded = []
        for partition in index.partitions():
            first = table.query(
                run.cloud,
                self.table,
                "#partition = :partition",
                {":partition": partition},
                names={"#partition": index.pk},
                IndexName=index.name,
                Limit=1,
            )
            recorded += [row[index.sk] for row in islice(first, 1)]
        dated = [since[:LENGTH] for since in recorded if begins_with_timestamp(since)]
        return clock.iso(clock.parse(min(dated)) - timedelta(milliseconds=1)) if dated else ""

    def _write(self, run: RunContext, window: Window, after: str, counts: Counter[str], pending: PendingSums) -> str:
        """Add the window to the stored sums.

        Returns the last owner written if the run is out of time, else empty.
        """
        for row, why in window.faults:
            run.log.error(f"{self.name}_faulty", key=f"{row.pk} {row.sk}", error=why)
        if window.owners:
            # Pinned before the first write: after a crash the next run must repeat this very window.
            window.mark = watermark.pin(run.cloud, self.name, window.mark, window.end)
        owners, done = iter(sorted(owner for owner in window.owners if owner > after)), 0
        with threads(WIDTH) as pool:
            while chunk := list(islice(owners, CHUNK)):
                # At least one chunk per run: a window that takes a whole run to read would never end.
                if done and run.remaining() < RESERVE:
                    return after
                for added in pool.map(lambda owner: self._add_or_store(run, window, owner, pending), chunk):
                    counts["sums"] += added
                after, done = chunk[-1], done + len(chunk)
        watermark.close(run.cloud, self.name, window.mark, window.end)
        counts["rows"] += window.rows - window.faulty
        run.spend(items=window.rows)
        if window.faulty:
            counts["faulty"] += window.faulty
        return ""

    def _add_or_store(self, run: RunContext, window: Window, owner: str, pending: PendingSums) -> int:
        """Add one owner's sums, or store them if they cannot be added.

        Returns how many were not added before.
        """
        days = window.owners[owner]
        if owner not in pending:
            with pending.failures.isolate(owner):
                return self._add(run, owner, days, window.end)
        pending.store(owner, days, window.end)
        return 0

    def _add(self, run: RunContext, owner: str, days: Days, end: str) -> int:
        added = sum(add_once(run.cloud, self.into, addition, end) for addition in self.additions(owner, days))
        self.carry(run, owner, days, end)
        return added
