"""Catalogue, FS-04: actions that enforce limits."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Literal

from pydantic import ValidationError

from functions.flags import _audit_rows
from functions.flags._messages import AUTO_ACTIONS, AuditEvent, AutoAction
from shared import clock
from shared.archetypes.consumer import Consumer, Message, Tenant
from shared.job import (
    Confirmed,
    Effect,
    NotDone,
    Rejected,
    RunContext,
    Unknown,
    days,
    flag_check,
    produce,
    retry_policies,
    tables,
    update_rows,
)
from shared.messages import envelope
from shared.product import organization
from shared.product.organization_notification import NOTIFICATIONS, NotificationSubject, OrganizationNotification
from shared.store import table
from shared.store.keys import RowKey
from shared.store.table import ConditionFailed

ACTOR = "nightshift"
MEMORY = days(60)
KINDS = {"disable_feature": "flag", "block_api_key": "key"}


class AutoActions(Consumer[AutoAction]):
    """Disable features, block API keys, or notify; audit each action.

    A feature that a person has enabled again stays enabled, however often the same action is delivered.
    """

    queue = AUTO_ACTIONS
    retry = retry_policies.AUTO_ACTIONS
    timeout = 30
    effects = MEMORY
    retention = "critical"
    idempotency = flag_check("a row that is disabled, or was disabled by this very action, is not disabled again")
    permissions = (
        *organization.GRANTS,
        update_rows(tables.ORGANIZATIONS.name),
        *_audit_rows.GRANTS,
        *produce(NOTIFICATIONS),
    )

    def admits(self, run: RunContext, tenant: Tenant) -> bool:
        return organization.admits(run.cloud, tenant)

    def handle(self, run: RunContext, message: Message[AutoAction]) -> None:
        action = message.payload
        tenant = Tenant(action.organization_id)
        # Before anything is done: what the action leads to must be valid, or the action is refused.
        notification, event = _consequences(action, run.cloud.clock.now())
        if action.action == "send_notification":
            _audit(run, tenant, event, _notify(run, action, notification))
            return
        # An effect, also if the row was disabled already: a duplicate must not disable what a person enables later.
        at, done = run.effect(f"{tenant.id}#{action.key}#off", lambda _: _disable(run, tenant, action))
        _audit(run, tenant, event, at, "" if done else " (it was off)")
        if done and action.action == "disable_feature":
            _notify(run, action, notification)

    def reconcile(self, effect: Effect) -> Confirmed | NotDone | Unknown:
        # A repeat is recognised: the notification by its key, the disabled row by the action that disabled it.
        return NotDone()


def _consequences(action: AutoAction, at: datetime) -> tuple[OrganizationNotification, AuditEvent]:
    """Return the notification and the audit event of an action. Raises Rejected."""
    notice: Literal["threshold_warning", "feature_disabled"] = (
        "threshold_warning" if action.action == "send_notification" else "feature_disabled"
    )
    try:
        notification = OrganizationNotification(
            organization_id=action.organization_id,
            correlation_id=action.correlation_id,
            type=notice,
            data=NotificationSubject(feature=action.target_id, reason=action.reason),
        )
        event = AuditEvent(
            id=f"auto-{action.key}",
            organization_id=action.organization_id,
            at=at,
            actor=ACTOR,
            action=action.action,
            target=action.target_id,
            reason=f"{action.reason:.480}",
        )
    except ValidationError as error:
        raise Rejected(f"the action leads to an invalid message: {error.errors(include_input=False)[:3]}") from None
    return notification, event


def _notify(run: RunContext, action: AutoAction, notification: OrganizationNotification) -> str:
    """Send a notification once; return its timestamp, to a duplicate too."""
    at: str = run.effect(f"{action.organization_id}#{action.key}", partial(_send, run, notification))
    return at


def _audit(run: RunContext, tenant: Tenant, event: AuditEvent, at: str, suffix: str = "") -> None:
    # The timestamp of the action: a second delivery writes the same row.
    changes = {"at": clock.parse(at), "reason": f"{event.reason}{suffix}"}
    _audit_rows.write(run.cloud, tenant, [event.model_copy(update=changes)])


def _send(run: RunContext, notification: OrganizationNotification, _key: str) -> str:
    now: datetime = run.cloud.clock.now()
    envelope.send(run.cloud, NOTIFICATIONS, notification)
    return clock.iso(now)


def _disable(run: RunContext, tenant: Tenant, action: AutoAction) -> tuple[str, bool]:
    """Disable a row. Raises Rejected if it does not exist.

    Returns when it was disabled, and whether by this action.
    """
    now = run.cloud.clock.now()
    # No delivery of the same action comes later than its effect is remembered: this is another occurrence.
    at, remembered = clock.iso(now), clock.iso(now - MEMORY)
    try:
        table.update(
            run.cloud,
            tables.ORGANIZATIONS,
            RowKey(tenant.id, f"{KINDS[action.action]}#{action.target_id}"),
            "SET #on = :off, off_at = :at, off_by = :key, off_reason = :reason",
            {
                ":on": True,
                ":off": False,
                ":at": at,
                ":key": action.key,
                ":reason": action.reason,
                ":remembered": remembered,
            },
            condition=(
                "attribute_exists(pk) AND (attribute_not_exists(#on) OR #on = :on) "
                "AND (attribute_not_exists(off_by) OR off_by <> :key OR off_at < :remembered)"
            ),
            names={"#on": "enabled"},
        )
    except ConditionFailed as error:
        if not error.item:
            raise Rejected(f"there is no {action.target_id!r:.80} to disable") from None
        row = error.item
        own = row.get("off_by") == action.key and str(row.get("off_at", "")) >= remembered
        return str(error.item["off_at"]) if own else at, own
    return at, True
