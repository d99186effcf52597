"""Notifications and automatic actions happen once, as the organization configures them, and are audited."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from functions.flags import auto_actions
from functions.flags.auto_actions import AutoActions
from functions.flags.notifications import Notifications
from functions.flags.usage import Usage
from functions.webhooks.webhook_delivery import WebhookDeliveryJob
from shared.aws import attributes
from shared.http import webhook
from tests.conftest import letters
from tests.functions.flags.conftest import World
from tests.functions.flags.test_usage import LIMITED, batch
from tests.support.certificate import Certificate
from tests.support.mailbox import Box, Post
from tests.support.web_server import Reply, Web

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def box(world: World, certificate: Certificate) -> Iterator[Box]:
    made = Box()
    post = Post(made, certificate)
    way = post.serve("smtp+plain")
    world.cloud.environment = {
        "MAIL_RELAY": f"smtp+plain://127.0.0.1:{way.port}",
        "MAIL_FROM": "Flags <flags@nightshift.example>",
        "WEBHOOK_LOOPBACK": "true",
    }
    yield made
    post.stop()


def member(world: World, user: str, role: str = "admin", **more: Any) -> None:
    world.put(
        "organizations",
        {"pk": "org_1", "sk": f"member#{user}", "role": role, "email": f"{user}@customer.example", **more},
    )


def news(kind: str = "limit_exceeded", **more: Any) -> dict[str, Any]:
    data = {"feature": "exports", "period": "2026-03", "percent": 100, "used": 101, "limit": 100, **more}
    return {"type": "notification", "payload": {"orgId": "org_1", "type": kind, "data": data}}


def to(box: Box) -> list[str]:
    return sorted(address for envelope in box.envelopes for address in envelope.rcpt_tos)


def test_only_administrators_are_notified_by_e_mail_once(world: World, box: Box) -> None:
    member(world, "ada")
    member(world, "bob", role="viewer")
    member(world, "eve", muted=["limit_exceeded"])
    world.deliver(Notifications(), news(), news(used=105))
    world.deliver(Notifications(), news())
    assert to(box) == ["ada@customer.example"]
    assert box.mails[0]["Subject"] == "exports: the limit is exceeded"


def test_a_refused_address_does_not_affect_other_recipients(world: World, box: Box) -> None:
    for user in ("ada", "bob", "cyd"):
        member(world, user)
    box.says["bob@customer.example"] = "451 later"
    assert world.deliver(Notifications(), news()) == []
    assert to(box) == ["ada@customer.example", "cyd@customer.example"]
    [again] = world.sent("flagship:notifications")
    box.says.clear()
    world.deliver(Notifications(), again, attempt="2")
    assert to(box) == ["ada@customer.example", "bob@customer.example", "cyd@customer.example"]


def test_a_mail_in_flight_or_of_unknown_outcome_is_no_attempt_and_keeps_no_other_recipient_waiting(
    world: World, box: Box
) -> None:
    member(world, "ada")
    member(world, "bob")
    world.deliver(Notifications(), news())
    # As if another run were sending ada's, and bob's had not been begun.
    rows = {row["sk"].rpartition("#")[2]: row for row in world.rows("state") if "#mail#" in row["sk"]}
    until = round(world.clock.now().timestamp() * 1000) + 70_000
    intent = {name: value for name, value in rows["ada"].items() if name not in ("done", "result", "expires")}
    world.put("state", {**intent, "lease_until": until})
    key = {name: rows["bob"][name] for name in ("pk", "sk")}
    world.cloud.dynamodb.delete_item(TableName=world.cloud.names.table("state"), Key=attributes.row(key))
    sent = len(to(box))
    for _ in range(5):
        assert world.deliver(Notifications(), news()) == []
        assert len(world.sent("flagship:notifications")) == 1
    assert len(to(box)) == sent + 1
    world.clock.move(seconds=80)
    for _ in range(5):
        assert world.deliver(Notifications(), news()) == []
        assert len(world.sent("flagship:notifications")) == 1
    assert len(world.log.said("notifications_message_put_off")) == 10
    assert letters(world.cloud, "firings-dlq") == []


def test_an_organization_chooses_its_channels(world: World, box: Box) -> None:
    world.organization(channels={"limit_exceeded": ["webhook"], "threshold_warning": []})
    member(world, "ada")
    world.put("organizations", {"pk": "org_1", "sk": "receiver#r1", "url": "https://x.example", "secrets": [SECRET]})
    world.put("organizations", {"pk": "org_1", "sk": "receiver#r2", "events": ["feature_disabled"]})
    world.deliver(Notifications(), news(), news("threshold_warning"))
    assert box.mails == []
    [sent] = world.sent("webhooks:deliver")
    assert (sent["payload"]["receiverId"], sent["payload"]["event"]) == ("r1", "limit_exceeded")


def flag(world: World) -> dict[str, Any]:
    return world.get("organizations", "org_1", "flag#exports")


def disable(reason: str = "120 % of 100 in 2026-03 reached", **more: Any) -> dict[str, Any]:
    payload = {"orgId": "org_1", "action": "disable_feature", "targetId": "exports", "reason": reason, **more}
    return {"type": "auto-action", "payload": payload}


def test_a_flag_is_disabled_audited_and_notified_once(world: World) -> None:
    world.put("organizations", {"pk": "org_1", "sk": "flag#exports", "enabled": True})
    world.deliver(AutoActions(), disable(), disable())
    assert flag(world)["enabled"] is False
    world.clock.move(hours=1)
    world.deliver(AutoActions(), disable())
    [entry] = world.rows("trail")
    assert (entry["action"], entry["target"], entry["actor"]) == ("disable_feature", "exports", "nightshift")
    [told] = world.sent("flagship:notifications")
    assert told["payload"]["type"] == "feature_disabled"


def test_a_flag_enabled_by_a_person_stays_enabled_until_another_limit_is_reached(world: World) -> None:
    world.put("organizations", {"pk": "org_1", "sk": "flag#exports", "enabled": True})
    world.deliver(AutoActions(), disable())
    world.put("organizations", {**flag(world), "enabled": True})
    world.deliver(AutoActions(), disable())
    assert flag(world)["enabled"] is True
    world.deliver(AutoActions(), disable("120 % of 100 in 2026-04 reached"))
    assert flag(world)["enabled"] is False


@pytest.mark.parametrize(
    ("action", "kind", "days", "enabled"),
    [
        ("block_api_key", "key", 70, False),
        ("disable_feature", "flag", 70, False),
        # A duplicate of the first message may still arrive.
        ("block_api_key", "key", 59, True),
    ],
)
def test_a_target_enabled_by_a_person_is_disabled_again_for_a_later_occurrence(
    action: str, kind: str, days: int, enabled: bool, world: World
) -> None:
    row = {"pk": "org_1", "sk": f"{kind}#t1", "enabled": True}
    order = disable("requests with a revoked key", action=action, targetId="t1")
    world.put("organizations", row)
    world.deliver(AutoActions(), order)
    blocked = world.get("organizations", "org_1", f"{kind}#t1")
    assert blocked["enabled"] is False
    world.put("organizations", {**blocked, "enabled": True})
    world.clock.move(days=days)
    world.deliver(AutoActions(), order)
    assert world.get("organizations", "org_1", f"{kind}#t1")["enabled"] is enabled
    assert len(world.rows("trail")) == (1 if enabled else 2)


def test_a_crash_between_the_action_and_its_audit_entry_loses_neither(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put("organizations", {"pk": "org_1", "sk": "flag#exports", "enabled": True})
    with monkeypatch.context() as crash:
        crash.setattr(auto_actions, "_audit", lambda *_: (_ for _ in ()).throw(OSError("gone")))
        world.deliver(AutoActions(), disable())
    [again] = world.sent("flagship:auto-actions")
    world.deliver(AutoActions(), again, attempt="2")
    assert [entry["action"] for entry in world.rows("trail")] == ["disable_feature"]
    assert len(world.sent("flagship:notifications")) == 1


def test_an_api_key_is_blocked_and_a_missing_one_is_a_dead_letter(world: World) -> None:
    world.put("organizations", {"pk": "org_1", "sk": "key#k1", "enabled": True})
    world.deliver(
        AutoActions(),
        disable(action="block_api_key", targetId="k1"),
        disable(action="block_api_key", targetId="k2"),
        disable(action="launch"),
        disable(action="send_notification"),
    )
    assert world.get("organizations", "org_1", "key#k1")["enabled"] is False
    errors = [letter["dead"]["error"] for letter in letters(world.cloud, "firings-dlq")]
    assert sum("there is no 'k2'" in error for error in errors) == sum("action" in error for error in errors) == 1
    assert [entry["action"] for entry in world.rows("trail")] == ["block_api_key", "send_notification"]


def test_from_usage_to_the_mail_and_the_webhook_end_to_end(world: World, box: Box) -> None:
    with Web() as site:
        site.answers["/hook"] = Reply(204)
        world.organization(limits=LIMITED)
        member(world, "ada")
        world.put("organizations", {"pk": "org_1", "sk": "flag#exports", "enabled": True})
        world.put("organizations", {"pk": "org_1", "sk": "receiver#r1", "url": f"{site.url}/hook", "secrets": [SECRET]})
        world.deliver(Usage(), batch(1, amount=121), batch(1, amount=121))
        for _ in range(2):
            world.deliver(AutoActions(), *world.sent("flagship:auto-actions"))
            world.deliver(Notifications(), *world.sent("flagship:notifications"))
        hooks = world.sent("webhooks:deliver")
        world.deliver(WebhookDeliveryJob(), *hooks, *hooks)
    assert flag(world)["enabled"] is False
    assert sorted(str(mail["Subject"]) for mail in box.mails) == [
        "exports: the feature was switched off",
        "exports: the limit is exceeded",
    ]
    keys = [webhook.verify([SECRET], each.headers, each.body, world.clock.now()) for each in site.asked]
    assert len(keys) == len(set(keys)) == 5


def test_an_action_on_a_disabled_flag_is_audited_once_and_disables_nothing_later(world: World) -> None:
    world.put("organizations", {"pk": "org_1", "sk": "flag#exports", "enabled": False})
    for _ in range(2):
        world.deliver(AutoActions(), disable())
        world.clock.move(minutes=1)
    [entry] = world.rows("trail")
    assert entry["reason"].endswith("(it was off)")
    assert entry["at"] == "2026-03-02T12:00:00.000Z"
    assert world.sent("flagship:notifications") == []
    world.put("organizations", {**flag(world), "enabled": True})
    world.deliver(AutoActions(), disable())
    assert flag(world)["enabled"] is True
    assert len(world.rows("trail")) == 1


def test_a_notification_sent_by_an_action_has_no_percentage(world: World, box: Box) -> None:
    member(world, "ada")
    world.organization(channels={"threshold_warning": ["email"]})
    world.deliver(AutoActions(), disable("the trial ends on Friday", action="send_notification"))
    world.deliver(Notifications(), *world.sent("flagship:notifications"))
    [mail] = box.mails
    assert mail["Subject"] == "exports: a notice about its use"
    assert "%" not in mail.get_content()
    assert "Reason: the trial ends on Friday" in mail.get_content()


def test_a_crash_right_after_disabling_keeps_the_action_that_disabled(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put("organizations", {"pk": "org_1", "sk": "flag#exports", "enabled": True})
    real = world.cloud.dynamodb.update_item

    def dies(**asked: Any) -> Any:
        answer = real(**asked)
        if "off_by" in asked["UpdateExpression"]:
            raise OSError("gone")
        return answer

    with monkeypatch.context() as crash:
        crash.setattr(world.cloud.dynamodb, "update_item", dies)
        world.deliver(AutoActions(), disable())
    [again] = world.sent("flagship:auto-actions")
    # A person enables the flag before the next attempt.
    world.put("organizations", {**flag(world), "enabled": True})
    world.clock.move(seconds=5)
    world.deliver(AutoActions(), again, attempt="2")
    assert flag(world)["enabled"] is True
    [entry] = world.rows("trail")
    assert (entry["at"], entry["reason"]) == (flag(world)["off_at"], "120 % of 100 in 2026-03 reached")
    assert len(world.sent("flagship:notifications")) == 1


@pytest.mark.parametrize(
    "data",
    [
        {"featureKey": "exports", "currentUsage": 800, "threshold": 80},
        {"message": "Your limit is near"},
        {"feature": "exports", "meta": {"plan": "pro", "seats": [1, 2]}},
        {},
        {"feature": 5, "percent": "80", "used": "many", "note": "line\nbreak \u202e \x1b[31m"},
    ],
)
@pytest.mark.parametrize("kind", ["threshold_warning", "limit_exceeded", "feature_disabled"])
def test_any_record_is_rendered_safely(kind: str, data: dict[str, Any], world: World, box: Box) -> None:
    member(world, "ada")
    body = {"type": "notification", "payload": {"orgId": "org_1", "type": kind, "data": data}}
    assert world.deliver(Notifications(), body) == []
    assert letters(world.cloud, "firings-dlq") == []
    [mail] = box.mails
    assert "\n" not in mail["Subject"]
    text = str(mail.get_content())
    assert not {"\x1b", "\u202e"} & {*text}
    for name in data.keys() - {"feature", "percent", "used"}:
        assert f"{name}: " in text


def test_a_warning_reaches_a_person_where_no_receiver_is_registered(world: World, box: Box) -> None:
    member(world, "ada", role="owner")
    warning = news("threshold_warning", percent=80)
    world.deliver(Notifications(), warning)
    assert to(box) == ["ada@customer.example"]
    world.put("organizations", {"pk": "org_1", "sk": "receiver#r1", "url": "https://x.example"})
    world.deliver(Notifications(), news("threshold_warning", percent=70))
    assert (len(to(box)), len(world.sent("webhooks:deliver"))) == (1, 1)
    # An organization that has chosen its channels gets what it has chosen.
    world.organization(channels={"threshold_warning": []})
    world.clock.move(minutes=2)
    world.deliver(Notifications(), news("threshold_warning", percent=60))
    assert len(to(box)) == 1


def test_a_receiver_with_an_invalid_id_does_not_affect_the_others(world: World, box: Box) -> None:
    for receiver in ("r 1#x", "r2"):
        world.put("organizations", {"pk": "org_1", "sk": f"receiver#{receiver}", "url": "https://x.example"})
    assert world.deliver(Notifications(), news("feature_disabled")) == []
    assert [each["payload"]["receiverId"] for each in world.sent("webhooks:deliver")] == ["r2"]


@pytest.mark.parametrize("target", ["beta@2", "org:rb@c", "x" * 128, "a.b-c_d:e"])
@pytest.mark.parametrize("action", ["disable_feature", "block_api_key", "send_notification"])
def test_an_action_on_any_identifier_is_done_told_and_audited(action: str, target: str, world: World) -> None:
    for kind in ("flag", "key"):
        world.put("organizations", {"pk": "org_1", "sk": f"{kind}#{target}", "enabled": True})
    payload = {"orgId": "org_1", "action": action, "targetId": target, "reason": "y" * 512}
    assert world.deliver(AutoActions(), {"type": "auto-action", "payload": payload}) == []
    assert letters(world.cloud, "firings-dlq") == []
    [row] = world.rows("trail")
    assert (row["action"], row["target"]) == (action, target)
    sent = world.sent("flagship:notifications")
    assert [each["payload"]["data"]["feature"] for each in sent] == [target] * (action != "block_api_key")
    assert world.deliver(Notifications(), *sent) == []
    assert letters(world.cloud, "firings-dlq") == []
