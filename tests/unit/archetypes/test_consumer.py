"""Consumers of payloads: bad messages are dead-lettered, good ones processed once, each in its organization's rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from shared import tables
from shared.archetypes.consumer import Consumer, Defer, Message
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.aws.permissions import Grant
from shared.job.definition import Job
from shared.job.idempotency import natural
from shared.job.outcome import Rejected
from shared.job.retry import NO_RETRY
from shared.job.validation import DeclarationError
from shared.messages import claim_check, envelope
from shared.messages.batch import MessageBatch
from shared.messages.payload import Payload
from shared.messages.run_batch import run_batch
from shared.messages.tenant import OutsideTenant, Tenant
from shared.run import oversized, send
from shared.run.context import RunContext
from shared.run.firing import Batch
from shared.tables import Table
from tests.conftest import Lines, VirtualClock, create, letters

TABLE = Table("counters", "what was counted", by_tenant=True)
NAME = "nightshift-test-counters"


class Counted(Payload, version=2):
    feature: str
    amount: int


class Private(Payload, encrypted=True):
    text: str


class Counter(Consumer[Counted]):
    """Count."""

    name = "counter"
    queue = "demo:counts"
    retry = NO_RETRY
    idempotency = natural("each message's row is written once")

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.seen: list[Counted] = []

    def admits(self, run: RunContext, tenant: Tenant) -> bool:
        self.asked.append(tenant.id)
        return tenant.id.startswith("org_")

    def handle(self, run: RunContext, message: Message[Counted]) -> None:
        payload = message.payload
        if payload.feature == "poison":
            raise RuntimeError("cannot count that")
        if payload.feature == "refused":
            raise Rejected("nobody may count that")
        if payload.feature == "later":
            raise Defer(60)
        self.seen.append(payload)
        run.log.info("counting")
        whose = Tenant("org_2" if payload.feature == "theirs" else payload.organization_id)
        run.cloud.dynamodb.put_item(
            TableName=NAME, Item=attributes.row({"pk": whose.key("counts"), "sk": message.id, "amount": payload.amount})
        )


class Grouping(Counter):
    """Count, a group at once."""

    name = "grouping"
    forget = False

    def handle_batch(self, run: RunContext, batch: MessageBatch[Counted]) -> None:
        for tenant, messages in batch.by_tenant():
            assert tenant is not None
            if self.forget:
                continue
            with batch.handling(*messages):
                for message in messages:
                    self.handle(run, message)


def body(feature: str = "export", organization: str = "org_1", **more: Any) -> dict[str, Any]:
    payload = {"orgId": organization, "feature": feature, "amount": 1, "schemaVersion": 2, "correlationId": "c", **more}
    return {"type": "counted", "payload": payload}


def records(bodies: Iterable[Any], receives: int = 1) -> tuple[dict[str, Any], ...]:
    return tuple(
        {
            "messageId": f"m{number}",
            "receiptHandle": "handle",
            "body": each if isinstance(each, str) else json.dumps(each),
            "attributes": {"ApproximateReceiveCount": str(receives), "SentTimestamp": "1772452800000"},
            "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:nightshift-test-demo-counts",
        }
        for number, each in enumerate(bodies)
    )


Deliver = Callable[..., list[str]]


@pytest.fixture
def deliver(cloud: Cloud, log: Lines, monkeypatch: pytest.MonkeyPatch) -> Deliver:
    monkeypatch.setattr(tables, "TABLES", (*tables.TABLES, TABLE))
    create(cloud, TABLE)
    cloud.sqs.create_queue(QueueName=cloud.names.queue("demo:counts"))

    def deliver(job: Job, *bodies: Any, receives: int = 1) -> list[str]:
        return run_batch(job, Batch(job.name, records(bodies, receives)), cloud, log, 60)

    return deliver


def counted(cloud: Cloud) -> list[tuple[str, str]]:
    return sorted((row["pk"]["S"], row["sk"]["S"]) for row in cloud.dynamodb.scan(TableName=NAME)["Items"])


def test_a_message_is_handled_with_its_payload(deliver: Deliver, cloud: Cloud) -> None:
    job = Counter()
    assert deliver(job, body()) == []
    [payload] = job.seen
    assert (payload.organization_id, payload.feature, payload.amount) == ("org_1", "export", 1)
    assert counted(cloud) == [("org_1#counts", "m0")]


BAD = [
    "plain text",
    "[" * 100_000,
    {"type": "counted"},
    {"type": "other", "payload": {}},
    body(amount="1"),
    body(schemaVersion=3),
    body(schemaVersion=1),
    body(orgId=7),
    body(organization="stranger"),
    body(feature="refused"),
    {"type": "counted", "organizationId": "org_1", "claim": {"key": "dead/x", "bytes": 1}},
]


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_message_is_a_dead_letter_at_once_and_nine_good_ones_are_done_once(
    bad: Any, deliver: Deliver, cloud: Cloud, log: Lines
) -> None:
    job = Counter()
    goods = [body(organization=f"org_{number % 3}") for number in range(9)]
    assert deliver(job, *goods[:4], bad, *goods[4:]) == []
    assert len(job.seen) == 9
    assert len(counted(cloud)) == 9
    [letter] = letters(cloud, "firings-dlq")
    assert (letter["dead"]["job"], letter["dead"]["reason"]) == ("counter", "rejected")
    assert letter["dead"]["event"] == (bad if isinstance(bad, str) else json.dumps(bad))
    assert letter["dead"]["error"]
    [line] = log.said("counter_message_rejected")
    assert (line["messageId"], line["error"]) == ("m4", letter["dead"]["error"])
    [complete] = log.said("counter_complete")
    assert complete["result"] == {"handled": 9, "failed": 0, "rejected": 1}


def test_the_letter_says_what_was_wrong_and_never_with_what(deliver: Deliver, cloud: Cloud) -> None:
    deliver(Counter(), body(amount="a very private sentence"))
    [letter] = letters(cloud, "firings-dlq")
    assert letter["dead"]["error"] == "counted, version 2: amount: Input should be a valid integer"


def test_a_poison_message_comes_back_alone(deliver: Deliver, cloud: Cloud, log: Lines) -> None:
    job = Counter()
    assert deliver(job, *[body()] * 5, body("poison"), *[body()] * 4) == ["m5"]
    assert len(job.seen) == 9
    assert letters(cloud, "firings-dlq") == []
    [line] = log.said("counter_message_failed")
    assert (line["messageId"], line["organizationId"], line["correlationId"]) == ("m5", "org_1", "c")


def test_at_its_last_receive_a_poison_message_is_a_dead_letter(deliver: Deliver, cloud: Cloud) -> None:
    assert deliver(Counter(), body("poison"), receives=5) == []
    [letter] = letters(cloud, "firings-dlq")
    assert letter["dead"]["error"] == "RuntimeError: cannot count that"


def test_an_organization_that_is_not_let_in_is_refused_by_name(deliver: Deliver, cloud: Cloud, log: Lines) -> None:
    job = Counter()
    deliver(job, body(organization="stranger"), body(organization="stranger"))
    assert job.seen == []
    assert [letter["dead"]["error"] for letter in letters(cloud, "firings-dlq")] == [
        "Invalid organization stranger"
    ] * 2
    lines = log.said("counter_message_rejected")
    assert {line["organizationId"] for line in lines} == {"stranger"}


def test_each_organization_of_a_batch_is_asked_for_once(deliver: Deliver) -> None:
    job = Counter()
    deliver(job, *[body(organization=f"org_{number % 2}") for number in range(10)])
    assert job.asked == ["org_0", "org_1"]


def test_where_nobody_can_say_whether_it_is_let_in_its_messages_come_back(
    deliver: Deliver, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Counter()

    def fails(run: RunContext, tenant: Tenant) -> bool:
        if tenant.id == "org_1":
            raise TimeoutError("no answer")
        return True

    monkeypatch.setattr(job, "admits", fails)
    assert deliver(job, body(), body(organization="org_2"), body()) == ["m0", "m2"]
    assert letters(cloud, "firings-dlq") == []


def test_the_organization_is_on_every_line_of_its_turn(deliver: Deliver, log: Lines) -> None:
    deliver(Counter(), body(), body(organization="org_2"), body())
    assert [(line["organizationId"], line["messages"]) for line in log.said("counter_tenant")] == [
        ("org_1", 2),
        ("org_2", 1),
    ]
    assert [(line["organizationId"], line["correlationId"]) for line in log.said("counting")] == [
        ("org_1", "c"),
        ("org_1", "c"),
        ("org_2", "c"),
    ]
    [complete] = log.said("counter_complete")
    assert "organizationId" not in complete


def test_rows_of_another_organization_cannot_be_touched(deliver: Deliver, cloud: Cloud, log: Lines) -> None:
    assert deliver(Counter(), body("theirs")) == ["m0"]
    assert counted(cloud) == []
    [line] = log.said("counter_message_failed")
    assert "not limited to the tenant's key" in line["error"]
    # The guard ends with the run.
    cloud.dynamodb.scan(TableName=NAME)


def test_between_turns_no_rows_of_tenants_can_be_touched(deliver: Deliver, cloud: Cloud, log: Lines) -> None:
    class Early(Counter):
        """Look first."""

        name = "early"

        def handle_batch(self, run: RunContext, batch: MessageBatch[Counted]) -> None:
            cloud.dynamodb.get_item(TableName=NAME, Key=attributes.row({"pk": "org_1#counts", "sk": "m0"}))

    assert deliver(Early(), body()) == ["m0"]
    [line] = log.said("early_failed")
    assert OutsideTenant.__name__ in line["error"]


def test_a_group_is_done_together_or_comes_back_together(deliver: Deliver, cloud: Cloud) -> None:
    bodies = [body(), body(organization="org_2"), body("poison"), body(organization="org_2")]
    assert sorted(deliver(Grouping(), *bodies)) == ["m0", "m2"]
    assert ("org_2#counts", "m1") in counted(cloud)


def test_what_is_left_without_an_answer_comes_back(deliver: Deliver, log: Lines) -> None:
    job = Grouping()
    job.forget = True
    assert deliver(job, body(), body("refused"), "bad") == ["m0", "m1"]
    [line] = log.said("grouping_unanswered")
    assert line["messages"] == ["m0", "m1"]


def test_after_a_crash_of_the_job_only_what_was_not_answered_comes_back(deliver: Deliver) -> None:
    class Fragile(Counter):
        """Break down half-way."""

        name = "fragile"

        def handle_batch(self, run: RunContext, batch: MessageBatch[Counted]) -> None:
            for _, messages in batch.by_tenant():
                with batch.handling(messages[0]):
                    self.handle(run, messages[0])
                raise MemoryError

    assert deliver(Fragile(), body(), body(), "bad") == ["m1"]


def test_a_letter_that_cannot_be_sent_leaves_its_message_in_the_queue(
    deliver: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> None:
        raise TimeoutError("no answer")

    monkeypatch.setattr(send, "send_dead_letter_for_event", fails)
    job = Counter()
    assert deliver(job, body(), "bad", body()) == ["m1"]
    assert len(job.seen) == 2


def test_a_message_as_large_as_a_letter_may_be_is_still_given_up(deliver: Deliver, cloud: Cloud) -> None:
    bad = "é" * (envelope.MESSAGE_LIMIT // 2)
    assert deliver(Counter(), bad, body()) == []
    [letter] = letters(cloud, "firings-dlq")
    assert letter["dead"]["event"]["kept"].startswith("dead/counter/large/")
    whole = json.loads(oversized.decode(cloud, letter, json.dumps(letter)))
    assert whole["dead"] == {**letter["dead"], "event": bad}


@pytest.mark.parametrize("key", ["pricing/x", "dead/other/large/x", 7, None])
def test_a_letter_names_no_object_but_its_own_jobs(key: Any, cloud: Cloud) -> None:
    letter = {"dead": {"job": "counter", "event": {"kept": key}}}
    assert oversized.decode(cloud, letter, "as it came") == "as it came"


def test_what_was_checked_in_is_collected(deliver: Deliver, cloud: Cloud) -> None:
    job = Counter()
    payload = Counted(organization_id="org_1", feature="x" * envelope.MESSAGE_LIMIT, amount=2)
    deliver(job, envelope.encode(cloud, "demo:counts", payload))
    assert job.seen == [payload]


def test_while_s3_does_not_answer_a_claim_comes_back(
    deliver: Deliver, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed = envelope.encode(
        cloud, "demo:counts", Counted(organization_id="org_1", feature="x" * envelope.MESSAGE_LIMIT, amount=2)
    )

    def fails(*_: Any) -> bytes:
        raise TimeoutError("no answer")

    monkeypatch.setattr(claim_check, "collect", fails)
    assert deliver(Counter(), sealed, body()) == ["m0"]
    assert letters(cloud, "firings-dlq") == []


def test_what_was_sent_is_what_is_consumed(deliver: Deliver, cloud: Cloud, clock: VirtualClock) -> None:
    job = Counter()
    payload = Counted(organization_id="org_1", user_id="u", feature="export", amount=2)
    envelope.send(cloud, "demo:counts", payload)
    deliver(job, *letters(cloud, "demo:counts"))
    assert job.seen == [payload]


def test_a_consumer_may_read_what_is_kept_for_its_queue_and_nothing_else() -> None:
    assert Grant(("s3:GetObject",), "bucket/payloads/*/demo-counts/*") in Counter.grants()
    assert not [grant for grant in Counter.grants() if grant.resource.startswith("key/")]

    class Keeper(Consumer[Private]):
        """Keep a secret."""

        name = "keeper"
        queue = "demo:private"
        idempotency = natural("nothing is done")

        def admits(self, run: RunContext, tenant: Tenant) -> bool:
            return True

        def handle(self, run: RunContext, message: Message[Private]) -> None:
            run.log.info(message.payload.text)

    assert Keeper.payload is Private
    assert Grant(("kms:Decrypt",), "key/payloads") in Keeper.grants()


def test_a_consumer_of_payloads_must_say_whom_it_admits() -> None:
    with pytest.raises(DeclarationError, match=r"define admits\(run, tenant\)"):

        class Open(Consumer[Counted]):
            """Let everybody in."""

            name = "open"
            queue = "demo:open"
            idempotency = natural("nothing is done")

            def handle(self, run: RunContext, message: Message[Counted]) -> None:
                return


def test_a_consumer_without_a_payload_takes_what_comes(deliver: Deliver) -> None:
    taken: list[Any] = []

    class Anything(Consumer):
        """Take anything."""

        name = "anything"
        queue = "demo:counts"
        idempotency = natural("nothing is done")

        def handle(self, run: RunContext, message: Message) -> None:
            taken.append(message.body)

    assert Anything.payload is None
    assert deliver(Anything(), "text", {"a": 1}) == []
    assert taken == ["text", {"a": 1}]


def test_the_tenant_of_a_message_is_known_before_it_is_read(deliver: Deliver) -> None:
    from shared.messages.message import read

    [inside, outside, none] = map(read, records([body(), {"orgId": "org_2"}, "text"]))
    assert (inside.tenant, outside.tenant, none.tenant) == ("org_1", "org_2", "")
