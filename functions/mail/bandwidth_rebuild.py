from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar

from functions.mail.bandwidth_rollup import BandwidthRollup
from functions.mail.message_metadata_cleanup import MessageMetadataCleanup
from shared import clock
from shared.archetypes.purge import cutoff
from shared.archetypes.rollup import EARLY, Window, day
from shared.aws import attributes
from shared.job import Action, Done, Job, Outcome, Rejected, RunContext, read_rows, tables, update_rows, version_check
from shared.store import watermark
from shared.store.add_once import UPTO, Addition
from shared.store.age_index import AgeIndex, ExpiredRows, read_full_rows

KEPT = next(cutoff.all_settings(MessageMetadataCleanup))
# Bytes, messages, and up to which window they were added: empty for a sum that was loaded, None where there is none.
State = tuple[int, int, str | None]
NONE: State = (0, 0, None)
RESERVE = 10
Values = Mapping[str, Any]


class BandwidthRebuild(Job):
    """Make the sums of one day anew from its messages: after a mistake, or for messages that were loaded later.

    The day is that of the tick: `python jobs.py bandwidth-rebuild --dry-run --at 2026-11-20`, then `apply` of the plan.
    Its week and cycle change by as much.
    """

    idempotency = version_check("a sum is set only while it is as it was read, its week and cycle in the same write")
    timeout = 900
    memory = 1024
    applicable: ClassVar[bool] = True
    settings = (KEPT,)
    permissions = (
        *(read_rows(table.name) for table in (tables.MESSAGES, tables.ROLLUPS, tables.CYCLES)),
        *(update_rows(table.name) for table in (tables.ROLLUPS, tables.CYCLES)),
        watermark.reading(BandwidthRollup.name),
    )

    def work(self, run: RunContext) -> Outcome:
        return self.apply(run, self.actions(run))

    def plan(self, run: RunContext) -> list[str]:
        return [action.what for action in self.actions(run)]

    def actions(self, run: RunContext) -> Iterator[Action]:
        upto = self._upto(run)
        if not upto:
            return
        counted, stands = self._counted(run, upto), dict(_standing(run))
        for owner in sorted({*counted, *stands}):
            before, after = stands.get(owner, NONE), counted.get(owner, (0, 0))
            if before[:2] != after:
                told = f"{owner}: {before[0]:,} bytes of {before[1]:,} messages become {after[0]:,} of {after[1]:,}"
                yield Action("change", [owner, f"{run.at:%Y-%m-%d}"], [*before, *after], told)

    def apply(self, run: RunContext, actions: Iterator[Action]) -> Outcome:
        before: int = (run.checkpoint or {}).get("done", 0) if run.firing.part else 0
        # What is new gets it as the window that it was last added to: none of those before is added any more.
        upto, counts = watermark.read(run.cloud, BandwidthRollup.name).upto, Counter(changed=0)
        for done, action in enumerate(actions, before + 1):
            counts["changed" if self._change(run, action, upto) else "moved"] += 1
            if run.remaining() < RESERVE:
                return Done(counts, checkpoint={"done": done})
        return Done(counts, ok=not counts["moved"])

    def _upto(self, run: RunContext) -> str:
        """Up to when messages are in the sums; empty where none are yet."""
        mark, kept = watermark.read(run.cloud, BandwidthRollup.name), run.setting(KEPT.name)
        if mark.closing:
            raise Rejected(f"{BandwidthRollup.name} is in the middle of a window; try again when it has ended")
        if mark.upto and _start(run) - EARLY <= run.started - kept:
            raise Rejected(f"messages of {run.at:%Y-%m-%d} are being deleted; of what is left no sum can be made")
        return mark.upto

    def _counted(self, run: RunContext, upto: str) -> dict[str, tuple[int, int]]:
        """Bytes and messages of the day, by owner, of what was recorded up to there."""
        rollup, window = BandwidthRollup(), Window(watermark.Watermark(clock.iso(_start(run) - EARLY)), upto)
        rollup.gather(run, window, None)
        found = {owner: days.get(run.at.date()) for owner, days in window.owners.items()}
        return {owner: (sums[0], sums[1]) for owner, sums in found.items() if sums}

    def _change(self, run: RunContext, action: Action, upto: str) -> bool:
        """The day, its week and its cycle, in one write or not at all."""
        (owner, text), (used, messages, standing, new_used, new_messages) = action.id, action.version
        on, more = date.fromisoformat(text), {"bytes_used": new_used - used, "messages": new_messages - messages}
        of_day, of_week = BandwidthRollup().additions(owner, {on: [0, 0]})
        new = {"bytes_used": new_used, "messages": new_messages}
        writes = [
            _set(run, of_day, new, (used, messages, standing), upto),
            _add(run, tables.ROLLUPS, owner, of_week.id, more, {**of_week.first, UPTO: upto}),
        ]
        for cycle in BandwidthRollup().cycles(run, owner, {on: [0, 0]}):
            now = clock.iso(run.cloud.clock.now())
            moved = {"moved_at": now, tables.DUE.pk: tables.DUE.partition(f"{owner}#{cycle}"), tables.DUE.sk: now}
            writes.append(_add(run, tables.CYCLES, owner, cycle, {"bytes_used": more["bytes_used"]}, {}, moved))
        try:
            run.cloud.dynamodb.transact_write_items(TransactItems=writes)
        except run.cloud.dynamodb.exceptions.TransactionCanceledException as error:
            codes = [reason.get("Code") for reason in error.response.get("CancellationReasons", [])]
            if "ConditionalCheckFailed" not in codes:
                raise
            return False
        return True


def _start(run: RunContext) -> datetime:
    return datetime(run.at.year, run.at.month, run.at.day, tzinfo=UTC)


def _standing(run: RunContext) -> Iterator[tuple[str, State]]:
    """The sums of the day as they stand, by owner."""
    start, [index] = _start(run), tables.ROLLUPS.indexes
    source = AgeIndex(tables.ROLLUPS, index)
    before = clock.iso(start - timedelta(milliseconds=1))
    found = (row for row in ExpiredRows(run.cloud, source, index.partitions(), clock.iso(start), before).rows())
    chosen = [row for row in found if row.sk == day(start.date())]
    for row in read_full_rows(run.cloud, source, chosen):
        yield row.pk, (row.item.get("bytes_used", 0), row.item.get("messages", 0), row.item.get(UPTO, ""))


def _set(run: RunContext, of_day: Addition, numbers: Values, before: State, upto: str) -> Any:
    """Only while the row is as it was read, or still none."""
    used, messages, standing = before
    held: dict[str, Any] = {} if standing is None else {"bytes_used": used, "messages": messages}
    absent = "pk" if standing is None else f"#{UPTO}"
    if standing:
        held[UPTO] = standing
    known = [f"#{name} = :was_{name}" for name in held]
    condition = " AND ".join(known if standing else [*known, f"attribute_not_exists({absent})"])
    kept = {**of_day.first, UPTO: upto}
    sets = [f"#{name} = :{name}" for name in numbers]
    sets += [f"#{name} = if_not_exists(#{name}, :{name})" for name in kept]
    values = {f":was_{name}": value for name, value in held.items()}
    update = f"SET {', '.join(sets)}"
    return _update(run, tables.ROLLUPS, of_day.owner, of_day.id, update, {**numbers, **kept}, values, condition)


def _add(
    run: RunContext,
    table: tables.Table,
    owner: str,
    key: str,
    numbers: Values,
    first: Values,
    sets: Values | None = None,
) -> Any:
    said = [f"#{name} = if_not_exists(#{name}, :{name})" for name in first]
    said += [f"#{name} = :{name}" for name in sets or {}]
    adds = ", ".join(f"#{name} :{name}" for name in numbers)
    update = f"ADD {adds}{' SET ' + ', '.join(said) if said else ''}"
    return _update(run, table, owner, key, update, {**numbers, **first, **(sets or {})}, {}, "")


def _update(
    run: RunContext,
    table: tables.Table,
    owner: str,
    key: str,
    update: str,
    named: Values,
    values: Values,
    condition: str,
) -> Any:
    asked: dict[str, Any] = {
        "TableName": run.cloud.names.table(table.name),
        "Key": attributes.row({table.pk: owner, table.sk: key}),
        "UpdateExpression": update,
        "ExpressionAttributeNames": {f"#{name}": name for name in named},
        "ExpressionAttributeValues": attributes.row({**{f":{name}": value for name, value in named.items()}, **values}),
    }
    return {"Update": {**asked, **({"ConditionExpression": condition} if condition else {})}}
