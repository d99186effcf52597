from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.archetypes.sweep import Attempt, AttemptResult, Key, Succeeded, Sweep
from shared.job import RunContext, flag_check, hourly, settings, tables
from shared.product import audit_trail, notifications

if TYPE_CHECKING:
    from shared.product.records.mail import Cycle

# Percent of the quota. The last one is always reported when it is crossed.
THRESHOLDS = (60, 70, 80, 100)
FULL = THRESHOLDS[-1]
SLIDING, PLAIN = "sliding", "plain"
MODE = settings.choice(
    "USAGE_THRESHOLD_CHECK_MODE",
    SLIDING,
    (SLIDING, PLAIN),
    "sliding: report t percent of a quota only while less than t percent of its cycle has passed; plain: always",
)


class UsageThresholdCheck(Sweep):
    """Notify users of 60, 70, 80 and 100 percent of their quota.

    Each threshold is notified once per billing cycle.

    A crossing is an event in the user's audit trail and a notification. When several are crossed at once, only the
    highest is sent by e-mail, if the user wants that; the others are only shown. A crossing has the time at which the
    usage last changed, not the time of the run.
    """

    schedule = hourly(minute=29)
    table = tables.CYCLES
    record = "shared.product.records.mail.Cycle"
    referenced_tables = (tables.USERS,)
    cap = 100_000
    width = 16
    timeout = 600
    idempotency = flag_check("the write that notifies of a crossing also records it on the cycle, so it is sent once")
    settings = (MODE,)
    permissions = (*audit_trail.GRANTS, *notifications.GRANTS)

    def references(self, item: Cycle) -> Iterable[Key]:
        return (Key(tables.USERS.name, item.user, "-"),)

    def attempt(self, attempt: Attempt) -> Succeeded:
        item, user = attempt.item, attempt.references.get(Key(tables.USERS.name, attempt.item.user, "-"), {})
        reached = crossed(item, sliding=attempt.run.setting(MODE.name) == SLIDING)
        new = [threshold for threshold in reached if threshold not in item.crossed]
        if not user or "deleted_at" in user or not new:
            return Succeeded("the user is gone" if new else "nothing crossed")
        why = f"crossed {', '.join(f'{threshold} %' for threshold in new)}"
        return Succeeded(
            why, {"crossed": sorted((*item.crossed, *new)), "new": new, "mail": user.get("usage_mail", True)}
        )

    def on_success(self, item: Cycle, result: AttemptResult) -> Mapping[str, Any]:
        return {"moved_at": None}

    def on_retry(self, item: Cycle, at: datetime) -> Mapping[str, Any]:
        # The due time is the time at which the usage changed, and stays.
        return {}

    def with_puts(self, run: RunContext, item: Cycle, result: AttemptResult) -> Sequence[Any]:
        new: list[int] = result.verdict.fields.get("new", [])
        mailed = new[-1] if new and result.verdict.fields["mail"] else None
        return [put for threshold in new for put in self._puts(run, item, threshold, mail=threshold == mailed)]

    def _puts(self, run: RunContext, item: Cycle, threshold: int, *, mail: bool) -> Sequence[Any]:
        """The event and the notification of one crossing."""
        assert item.moved_at is not None
        data: dict[str, int | str] = {
            "percent": threshold,
            "used": item.bytes_used,
            "quota": item.quota,
            "cycle": item.id,
        }
        event = audit_trail.put(
            *(item.user, "usage.threshold", self.name, item.moved_at),
            subject=f"{item.id} {threshold}",
            # One event for a cycle and a threshold, also where the cycle's row is written anew.
            occurrence=item.starts_at,
            data=data,
        )
        values = {**data, "ends": clock.iso(item.ends_at)[:10]}
        key, about = f"{self.name}-{item.id}-{threshold}", f"cycle {item.id}"
        return event, notifications.notification(
            run.cloud, item.user, key, "usage_threshold", "porter", values, about, mail=mail
        )


def crossed(cycle: Cycle, *, sliding: bool) -> list[int]:
    """Thresholds that the cycle's usage has reached, to be reported."""
    assert cycle.moved_at is not None
    passed, whole = cycle.moved_at - cycle.starts_at, cycle.ends_at - cycle.starts_at
    return [
        threshold
        for threshold in THRESHOLDS
        if 100 * cycle.bytes_used >= threshold * cycle.quota
        and (threshold == FULL or not sliding or 100 * passed < threshold * whole)
    ]
