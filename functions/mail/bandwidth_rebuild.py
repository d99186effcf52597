from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar

from functions.mail.bandwidth_rollup import BandwidthRollup
from functions.mail.message_metadata_cleanup import MessageMetadataCleanup
from shared import clock
from shared.archetypes.purge import cutoff
from shared.archetypes.rollup import EARLY, Window, day, pending
from shared.job import Action, Done, Job, Outcome, Rejected, RunContext, read_rows, tables, update_rows, version_check
from shared.run import owner_failures
from shared.run.owner_failures import OwnerFailures
from shared.store import watermark
from shared.store.add_once import UPTO, Addition
from shared.store.age_index import AgeIndex, ExpiredRows, read_full_rows
from shared.store.keys import RowKey
from shared.store.transaction import TransactionCancelled, Update, write_together

MESSAGE_RETENTION = next(cutoff.all_settings(MessageMetadataCleanup))
# Bytes, messages, and the window up to which they were added: empty for a sum that was loaded, None without a row.
State = tuple[int, int, str | None]
NO_ROW: State = (0, 0, None)
# Seconds of a run that are reserved for its end.
RESERVE = 10
Values = Mapping[str, Any]


class BandwidthRebuild(Job):
    """Recompute the sums of one day from its messages.

    Use it after an error, or for messages that were loaded later.

    The day is that of the tick: `python jobs.py bandwidth-rebuild --dry-run --at 2026-11-20`, then `apply` of the plan.
    The sums of its week and cycle change by the difference.
    """

    idempotency = version_check("a sum is set only if unchanged since it was read, in one write with week and cycle")
    timeout = 900
    memory = 1024
    applicable: ClassVar[bool] = True
    settings = (MESSAGE_RETENTION,)
    permissions = (
        *(read_rows(table.name) for table in (tables.MESSAGES, tables.ROLLUPS, tables.CYCLES)),
        *(update_rows(table.name) for table in (tables.ROLLUPS, tables.CYCLES)),
        watermark.reading(BandwidthRollup.name),
        pending.reading(BandwidthRollup.name),
        *owner_failures.GRANTS,
    )

    def work(self, run: RunContext) -> Outcome:
        return self.apply(run, self.actions(run))

    def plan(self, run: RunContext) -> list[str]:
        return [action.what for action in self.actions(run)]

    def actions(self, run: RunContext) -> Iterator[Action]:
        upto = self._upto(run)
        if not upto:
            return
        computed, stored = self._computed(run, upto), dict(_stored(run))
        for owner in sorted({*computed, *stored}):
            before, after = stored.get(owner, NO_ROW), computed.get(owner, (0, 0))
            if before[:2] != after:
                old, new = ((_text(used), _text(messages)) for used, messages in (before[:2], after))
                what = f"{owner}: {old[0]} bytes of {old[1]} messages become {new[0]} of {new[1]}"
                yield Action("change", [owner, f"{run.at:%Y-%m-%d}"], [*before, *after], what)

    def apply(self, run: RunContext, actions: Iterator[Action]) -> Outcome:
        failures = OwnerFailures(run)
        return failures.end(self._apply(run, actions, failures))

    def _apply(self, run: RunContext, actions: Iterator[Action], failures: OwnerFailures) -> Done:
        before: int = (run.checkpoint or {}).get("done", 0)
        # A new row gets the rollup's watermark, so that no earlier window is added to it again.
        upto, counts = watermark.read(run.cloud, BandwidthRollup.name).upto, Counter(changed=0)
        waiting = pending.owners(run.cloud, BandwidthRollup.name)
        for done, action in enumerate(actions, before + 1):
            with failures.isolate(owner := action.id[0]):
                if owner in waiting:
                    # They would be added to the rebuilt sum once more.
                    raise ValueError(
                        f"{BandwidthRollup.name} has pending sums of this owner; rebuild after they are added"
                    )
                counts["changed" if self._change(run, action, upto) else "moved"] += 1
            if run.remaining() < RESERVE:
                return Done(counts, checkpoint={"done": done})
        return Done(counts, ok=not counts["moved"])

    def _upto(self, run: RunContext) -> str:
        """Timestamp up to which messages were added to the sums.

        Empty if none were yet.
        """
        mark, retention = watermark.read(run.cloud, BandwidthRollup.name), run.setting(MESSAGE_RETENTION.name)
        if mark.closing:
            raise Rejected(f"{BandwidthRollup.name} is in the middle of a window; try again when it has ended")
        if mark.upto and _start(run) - EARLY <= run.started - retention:
            raise Rejected(f"messages of {run.at:%Y-%m-%d} are being deleted, so its sums cannot be computed")
        return mark.upto

    def _computed(self, run: RunContext, upto: str) -> dict[str, tuple[int, int]]:
        """Bytes and messages of the day by owner.

        Counts messages recorded up to `upto`.
        """
        rollup, window = BandwidthRollup(), Window(watermark.Watermark(clock.iso(_start(run) - EARLY)), upto)
        rollup.gather(run, window, None)
        by_owner = {owner: days.get(run.at.date()) for owner, days in window.owners.items()}
        return {owner: (sums[0], sums[1]) for owner, sums in by_owner.items() if sums}

    def _change(self, run: RunContext, action: Action, upto: str) -> bool:
        """Write the sums of the day, week and cycle in one transaction.

        False if the day's sum has changed.
        """
        (owner, text), (used, messages, standing, new_used, new_messages) = action.id, action.version
        if type(used) is not int or type(messages) is not int:
            raise ValueError(f"{day(date.fromisoformat(text))} of {owner} is no number: {used!r:.40}; correct it first")
        on, more = date.fromisoformat(text), {"bytes_used": new_used - used, "messages": new_messages - messages}
        of_day, of_week = BandwidthRollup().additions(owner, {on: [0, 0]})
        new = {"bytes_used": new_used, "messages": new_messages}
        writes = [
            _set(of_day, new, (used, messages, standing), upto),
            _add(tables.ROLLUPS, RowKey(owner, of_week.id), more, {**of_week.first, UPTO: upto}),
        ]
        for cycle in BandwidthRollup().cycles(run, owner, {on: [0, 0]}):
            now = clock.iso(run.cloud.clock.now())
            moved = {"moved_at": now, tables.DUE.pk: tables.DUE.partition(f"{owner}#{cycle}"), tables.DUE.sk: now}
            writes.append(_add(tables.CYCLES, RowKey(owner, cycle), {"bytes_used": more["bytes_used"]}, {}, moved))
        try:
            write_together(run.cloud, writes)
        except TransactionCancelled as cancelled:
            if not cancelled.condition_failed:
                raise
            return False
        return True


def _text(number: Any) -> str:
    return f"{number:,}" if type(number) is int else f"{number!r:.40}"


def _start(run: RunContext) -> datetime:
    return datetime(run.at.year, run.at.month, run.at.day, tzinfo=UTC)


def _stored(run: RunContext) -> Iterator[tuple[str, State]]:
    """Yield the stored sums of the day by owner."""
    start, [index] = _start(run), tables.ROLLUPS.indexes
    source = AgeIndex(tables.ROLLUPS, index)
    before = clock.iso(start - timedelta(milliseconds=1))
    rows = ExpiredRows(run.cloud, source, index.partitions(), clock.iso(start), before).rows()
    of_day = [row for row in rows if row.sk == day(start.date())]
    for row in read_full_rows(run.cloud, source, of_day):
        yield row.pk, (row.item.get("bytes_used", 0), row.item.get("messages", 0), row.item.get(UPTO, ""))


def _set(of_day: Addition, numbers: Values, before: State, upto: str) -> Update:
    """Set the day's sum if it is as read, or still missing."""
    used, messages, standing = before
    guards: dict[str, Any] = {} if standing is None else {"bytes_used": used, "messages": messages}
    absent = "pk" if standing is None else f"#{UPTO}"
    if standing:
        guards[UPTO] = standing
    unchanged = [f"#{name} = :was_{name}" for name in guards]
    first = {**of_day.first, UPTO: upto}
    sets = [f"#{name} = :{name}" for name in numbers]
    sets += [f"#{name} = if_not_exists(#{name}, :{name})" for name in first]
    return Update(
        tables.ROLLUPS,
        RowKey(of_day.owner, of_day.id),
        f"SET {', '.join(sets)}",
        condition=" AND ".join(unchanged if standing else [*unchanged, f"attribute_not_exists({absent})"]),
        names=_names({**numbers, **first}),
        values={**_values({**numbers, **first}), **{f":was_{name}": value for name, value in guards.items()}},
    )


def _add(table: tables.Table, key: RowKey, numbers: Values, first: Values, sets: Values | None = None) -> Update:
    """Add to a row.

    `first` is set in a new row only, `sets` in any.
    """
    sets = sets or {}
    clauses = [f"#{name} = if_not_exists(#{name}, :{name})" for name in first]
    clauses += [f"#{name} = :{name}" for name in sets]
    adds = ", ".join(f"#{name} :{name}" for name in numbers)
    expression = f"ADD {adds}{' SET ' + ', '.join(clauses) if clauses else ''}"
    named = {**numbers, **first, **sets}
    return Update(table, key, expression, names=_names(named), values=_values(named))


def _names(named: Values) -> dict[str, str]:
    return {f"#{name}": name for name in named}


def _values(named: Values) -> dict[str, Any]:
    return {f":{name}": value for name, value in named.items()}
