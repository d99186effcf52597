"""Law: each payload that a handler builds is valid for every message that the handler accepts."""

from __future__ import annotations

import ast
import json

from hypothesis import given
from hypothesis import strategies as st

from functions.flags import _policy
from functions.flags._messages import AutoAction
from functions.flags.auto_actions import _consequences
from shared.messages.payload import ID, Payload
from shared.product.organization import Organization
from shared.product.organization_notification import NotificationSubject, OrganizationNotification
from shared.product.webhook_event import WebhookDelivery
from tests.conftest import NOON
from tests.contract.test_house_rules import ROOT, parsed

# Where a payload is built from data of a message or a row -> what shows that it is valid.
BUILT = {
    "functions/assessments/evaluation.py OrganizationNotification": "test_evaluations_are_named_by_their_id",
    "functions/flags/_policy.py AutoAction": "test_what_a_crossing_leads_to_is_valid",
    "functions/flags/_policy.py OrganizationNotification": "test_what_a_crossing_leads_to_is_valid",
    "functions/flags/auto_actions.py AuditEvent": "test_what_an_action_leads_to_is_valid",
    "functions/flags/auto_actions.py OrganizationNotification": "test_what_an_action_leads_to_is_valid",
    "functions/flags/notifications.py WebhookDelivery": "test_what_a_notification_leads_to_is_valid",
}
IDS = st.from_regex(ID, fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=512)
PERIODS = st.sampled_from([("hour", "2026-03-02T12"), ("day", "2026-03-02"), ("month", "2026-03")])
PERCENTS = st.lists(st.integers(1, 500), max_size=4)


def test_each_place_that_builds_a_payload_is_listed() -> None:
    # Not those of other tests in this process.
    own = (each for each in _subclasses(Payload) if each.__module__.startswith(("functions.", "shared.")))
    names = {each.__name__ for each in own} | {"AuditEvent"}
    found = set()
    for path in (ROOT / "functions").rglob("*.py"):
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
                found.add(f"{path.relative_to(ROOT)} {node.func.id}")
    # Samples are built from constants.
    assert {each for each in found if "/seed.py" not in each} == BUILT.keys()
    assert {*BUILT.values()} <= globals().keys()


def _subclasses(kind: type) -> set[type]:
    direct: set[type] = {*kind.__subclasses__()}
    return direct.union(*map(_subclasses, direct))


@given(IDS, IDS, st.sampled_from(["disable_feature", "block_api_key", "send_notification"]), TEXTS)
def test_what_an_action_leads_to_is_valid(organization: str, target: str, action: str, reason: str) -> None:
    payload = {"orgId": organization, "action": action, "targetId": target, "reason": reason}
    notification, event = _consequences(AutoAction.from_wire(payload), NOON)
    assert OrganizationNotification.from_wire(notification.to_wire()) == notification
    assert (notification.data.feature, event.target) == (target, target)


@given(IDS, IDS, PERIODS, st.integers(1, 10**17), st.integers(0, 10**17), PERCENTS, st.none() | st.integers(1, 500))
def test_what_a_crossing_leads_to_is_valid(
    organization: str,
    feature: str,
    period: tuple[str, str],
    amount: int,
    used: int,
    percents: list[int],
    disable: int | None,
) -> None:
    limit = {"period": period[0], "amount": amount, **({"disableAt": disable} if disable else {})}
    every = {kind: ["notify", "disable"] for kind in ("approach", "exceeded", "reached")}
    found = Organization(organization, limits={feature: limit}, thresholds=tuple(percents), policy=every)
    for crossing in _policy.crossings(found, {f"{period[1]}#{feature}": used}, set()):
        for payload in _policy.consequences(found, crossing):
            assert type(payload).from_wire(json.loads(json.dumps(payload.to_wire()))) == payload


@given(IDS, IDS, TEXTS)
def test_what_a_notification_leads_to_is_valid(organization: str, receiver: str, text: str) -> None:
    notification = OrganizationNotification(
        organization_id=organization, type="limit_exceeded", data=NotificationSubject(reason=text)
    )
    delivery = WebhookDelivery(
        organization_id=organization,
        receiver_id=receiver,
        event_id=notification.key,
        event=notification.type,
        body=json.dumps(notification.data.model_dump(mode="json")),
    )
    assert WebhookDelivery.from_wire(delivery.to_wire()) == delivery


@given(IDS, IDS, st.text(max_size=5000))
def test_evaluations_are_named_by_their_id(organization: str, assessment: str, reason: str) -> None:
    data = NotificationSubject(feature=assessment, reason=reason)
    assert OrganizationNotification(organization_id=organization, type="evaluation_failed", data=data).data.feature
