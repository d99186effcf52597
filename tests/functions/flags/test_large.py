"""Messages of the largest size that a queue accepts, and of one byte more."""

from __future__ import annotations

import json
from typing import Any

import pytest

from functions.flags.audit import Audit
from functions.flags.auto_actions import AutoActions
from functions.flags.notifications import Notifications
from functions.flags.usage import Usage
from shared.job.definition import Job
from shared.messages import claim_check
from shared.messages.envelope import MESSAGE_LIMIT
from tests.conftest import letters
from tests.functions.flags import test_audit, test_notification_text, test_usage
from tests.functions.flags.conftest import World


def usage() -> dict[str, Any]:
    sent = test_usage.batch(1)
    return {"type": sent.wire.type, "payload": sent.to_wire()}


WAYS = [
    (Audit, test_audit.event()),
    (Usage, usage()),
    (Notifications, test_notification_text.news()),
    (AutoActions, test_notification_text.disable()),
]


@pytest.fixture(autouse=True)
def known(world: World) -> None:
    world.put("organizations", {"pk": "org_1", "sk": "flag#exports", "enabled": True})
    world.put("organizations", {"pk": "org_1", "sk": "receiver#r1", "url": "https://x.example"})


def done(world: World) -> list[int]:
    """Return the results of the messages: audit rows, counted units, sent deliveries."""
    units = test_usage.counted(world)["2026-03#exports"]
    return [len(world.rows("trail")), units, len(world.sent("webhooks:deliver"))]


@pytest.mark.parametrize(("job", "body"), WAYS, ids=lambda each: getattr(each, "name", ""))
def test_a_message_of_a_mebibyte_is_handled_once(job: type[Job], body: Any, world: World) -> None:
    text = json.dumps(body).ljust(MESSAGE_LIMIT)
    assert len(text) == MESSAGE_LIMIT
    world.cloud.sqs.send_message(QueueUrl=world.cloud.names.queue_url(str(job.queue)), MessageBody=text)
    assert world.deliver(job(), text, text) == []
    assert sum(done(world)) == 1
    assert letters(world.cloud, "firings-dlq") == []


@pytest.mark.parametrize(("job", "body"), WAYS, ids=lambda each: getattr(each, "name", ""))
def test_a_message_of_one_byte_more_uses_a_claim_check(job: type[Job], body: Any, world: World) -> None:
    names = world.cloud.names
    with pytest.raises(world.cloud.sqs.exceptions.ClientError):
        world.cloud.sqs.send_message(QueueUrl=names.queue_url(str(job.queue)), MessageBody="x" * (MESSAGE_LIMIT + 1))
    payload = json.dumps(body["payload"]).ljust(MESSAGE_LIMIT + 1).encode()
    check = claim_check.check_in(world.cloud, "org_1", str(job.queue), payload, encrypted=False)
    carried = {"type": body["type"], "organizationId": "org_1", "claim": check}
    assert world.deliver(job(), carried, carried) == []
    before = done(world)
    assert sum(before) == 1
    # A claim check is valid for one queue and one organization only.
    world.organization("org_2")
    elsewhere = claim_check.check_in(world.cloud, "org_1", "demo:other", payload, encrypted=False)
    assert world.deliver(job(), {**carried, "organizationId": "org_2"}, {**carried, "claim": elsewhere}) == []
    assert len(letters(world.cloud, "firings-dlq")) == 2
    assert done(world) == [*before[:2], 0]
