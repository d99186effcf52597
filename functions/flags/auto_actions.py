"""See the catalogue, FS-04."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from functions.flags import _audit_rows
from functions.flags._messages import AUTO_ACTIONS, NOTIFICATIONS, AuditEvent, AutoAction, Notice, Notification
from shared import clock
from shared.archetypes.consumer import Consumer, Message
from shared.aws import attributes
from shared.aws.permissions import produce, update_rows
from shared.job import retry_policies
from shared.job.duration import days
from shared.job.effect import Confirmed, Effect, NotDone, Unknown
from shared.job.idempotency import flag_check
from shared.job.outcome import Rejected
from shared.messages import envelope
from shared.messages.tenant import Tenant
from shared.product import organization
from shared.run.context import RunContext
from shared.tables import ORGANIZATIONS

ACTOR = "nightshift"
KINDS = {"disable_feature": "flag", "block_api_key": "key"}


class AutoActions(Consumer[AutoAction]):
    """Switch a feature off, block an API key, or have an organization told; each action is audited.

    What was switched on again by hand stays on, however often the same action comes.
    """

    queue = AUTO_ACTIONS
    retry = retry_policies.AUTO_ACTIONS
    timeout = 30
    effects = days(60)
    retention = "critical"
    idempotency = flag_check("what is off, or was found off by this very action, is not switched off again")
    permissions = (
        *organization.GRANTS,
        update_rows(ORGANIZATIONS.name),
        *_audit_rows.GRANTS,
        *produce(NOTIFICATIONS),
    )

    def admits(self, run: RunContext, tenant: Tenant) -> bool:
        return organization.admits(run.cloud, tenant)

    def handle(self, run: RunContext, message: Message[AutoAction]) -> None:
        action = message.payload
        tenant = Tenant(action.organization_id)
        if action.action == "send_notification":
            told = Notice(feature=action.target_id, reason=action.reason)
            at = self._notify(run, action, "threshold_warning", told)
            self._audit(run, tenant, action, at, "")
            return
        # Once, also where it was off: what a person switches on afterwards is no duplicate's business.
        at, done = run.effect(f"{tenant.id}#{action.key}#off", lambda _: _switch_off(run, tenant, action))
        self._audit(run, tenant, action, at, "" if done else " (it was off)")
        if done and action.action == "disable_feature":
            self._notify(run, action, "feature_disabled", Notice(feature=action.target_id, reason=action.reason))

    def reconcile(self, effect: Effect) -> Confirmed | NotDone | Unknown:
        # Whoever takes the notification knows the news by its key, and what is off the action that switched it off.
        return NotDone()

    def _notify(self, run: RunContext, action: AutoAction, kind: Any, told: Notice) -> str:
        """The instant at which it was sent, also to a duplicate."""
        sent = Notification(
            organization_id=action.organization_id, correlation_id=action.correlation_id, type=kind, data=told
        )
        at: str = run.effect(f"{action.organization_id}#{action.key}", partial(_send, run, sent))
        return at

    def _audit(self, run: RunContext, tenant: Tenant, action: AutoAction, at: str, more: str) -> None:
        event = AuditEvent(
            id=f"auto-{action.key}",
            organization_id=tenant.id,
            at=clock.parse(at),
            actor=ACTOR,
            action=action.action,
            target=action.target_id,
            reason=f"{action.reason:.480}{more}",
        )
        # The instant is that of the deed: a second delivery writes the same row.
        _audit_rows.write(run.cloud, tenant, [event])


def _send(run: RunContext, sent: Notification, _key: str) -> str:
    now: datetime = run.cloud.clock.now()
    envelope.send(run.cloud, NOTIFICATIONS, sent)
    return clock.iso(now)


def _switch_off(run: RunContext, tenant: Tenant, action: AutoAction) -> tuple[str, bool]:
    """When it was switched off, or found off, and whether by this action. Raises Rejected for what is not there."""
    at = clock.iso(run.cloud.clock.now())
    try:
        run.cloud.dynamodb.update_item(
            TableName=run.cloud.names.table(ORGANIZATIONS.name),
            Key=attributes.row({"pk": tenant.id, "sk": f"{KINDS[action.action]}#{action.target_id}"}),
            UpdateExpression="SET #on = :off, off_at = :at, off_by = :key, off_reason = :reason",
            ConditionExpression=(
                "attribute_exists(pk) AND (attribute_not_exists(#on) OR #on = :on) "
                "AND (attribute_not_exists(off_by) OR off_by <> :key)"
            ),
            ExpressionAttributeNames={"#on": "enabled"},
            ExpressionAttributeValues=attributes.row(
                {":on": True, ":off": False, ":at": at, ":key": action.key, ":reason": action.reason}
            ),
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except run.cloud.ConditionalCheckFailed as error:
        found = attributes.plain(error.response.get("Item"))
        if not found:
            raise Rejected(f"there is no {action.target_id!r:.80} that could be switched off") from None
        mine = found.get("off_by") == action.key
        return str(found["off_at"]) if mine else at, mine
    return at, True
