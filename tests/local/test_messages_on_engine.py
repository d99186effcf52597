"""Message-driven jobs as deployed, each under its own role, from usage event to mail."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cli.up import connection
from functions.flags import _archive
from functions.flags._messages import AUDIT, USAGE, UsageEvent, UsageIngestion
from local.cloud import LocalCloud
from shared import clock
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.messages import envelope, queue_depth
from shared.messages.envelope import MESSAGE_LIMIT
from shared.messages.tenant import Tenant
from shared.product import usage_sums
from shared.tables import ASSESSMENTS, METERS, ORGANIZATIONS, STATE, TRAIL, Table
from tests.functions.assessments.test_evaluation import PATH, asked, scored, streamed
from tests.functions.assessments.test_welcome_email import CREATED
from tests.functions.flags.test_audit import event
from tests.functions.flags.test_notification_text import SECRET
from tests.functions.flags.test_usage import LIMITED
from tests.local.conftest import started
from tests.support.certificate import Certificate
from tests.support.mailbox import Box, Post
from tests.support.stored_rows import one, there
from tests.support.web_server import Reply, Web

ME = Tenant("org_1")
DAY, HOUR = timedelta(days=1), timedelta(hours=1)

pytestmark = pytest.mark.timeout(400)


@dataclass
class Place:
    local: LocalCloud
    cloud: Cloud
    box: Box
    web: Web
    now: datetime

    def put(self, table: Table, sk: str, **more: Any) -> None:
        item = attributes.row({"pk": ME.id, "sk": sk, **more})
        self.cloud.dynamodb.put_item(TableName=self.cloud.names.table(table.name), Item=item)

    def populate(self) -> None:
        self.put(ORGANIZATIONS, "-", state="active", limits=LIMITED)
        self.put(ORGANIZATIONS, "member#u1", role="admin", email="ada@customer.example", name="Ada")
        self.put(ORGANIZATIONS, "flag#exports", enabled=True)
        self.put(ORGANIZATIONS, "receiver#r1", url=f"{self.web.url}/hook", secrets=[SECRET])
        self.put(ASSESSMENTS, "as_1", user="user_1")
        self.web.answers |= {"/hook": Reply(204), PATH: streamed(scored())}
        name = f"/{self.cloud.names.secret('llm-key')}"
        self.cloud.parameters.put_parameter(Name=name, Value="open sesame", Type="SecureString")

    def send(self, queue: str, *bodies: Any) -> None:
        for body in bodies:
            text = body if isinstance(body, str) else json.dumps(body)
            self.cloud.sqs.send_message(QueueUrl=self.cloud.names.queue_url(queue), MessageBody=text)

    def use(self, batch: str, feature: str, amount: int, at: datetime) -> None:
        used = UsageEvent(feature=feature, amount=amount, at=at)
        envelope.send(self.cloud, USAGE, UsageIngestion(organization_id=ME.id, batch_id=batch, events=(used,)))

    def event(self, number: int, **more: Any) -> dict[str, Any]:
        return event(number, at=clock.iso(self.now), **more)

    def trail(self) -> Counter[str]:
        return Counter(row["action"] for row in there(self.cloud, TRAIL))

    def fire(self, job: str) -> dict[str, Any]:
        """Wait for the row of its run."""
        tick = datetime.now(UTC).replace(second=0, microsecond=0)
        assert self.local.ticker.fire(self.cloud.names.function(job), tick)

        def ended() -> list[dict[str, Any]]:
            found = [row for row in there(self.cloud, STATE) if row["pk"].startswith(f"runs#{job}#")]
            return [row for row in found if "outcome" in row]

        row: dict[str, Any] = until(ended)[-1]
        return row

    def drain(self, queue: str) -> tuple[int, dict[str, Any]]:
        token = self.cloud.secrets.get_secret_value(SecretId=self.cloud.names.secret("internal-health-token"))
        headers = {"X-Internal-Health": token["SecretString"], "x-internal-exec": "1"}
        url = f"{self.local.function_urls['queues'].rstrip('/')}/queues/{queue}/process?limit=50"
        try:
            with urllib.request.urlopen(urllib.request.Request(url, b"", headers), timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)


def until(answer: Callable[[], Any], seconds: float = 150) -> Any:
    """The first true result."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := answer():
            return found
        time.sleep(0.2)
    pytest.fail(f"nothing came of it in {seconds} s")


@pytest.fixture
def place(whole: Path, certificate: Certificate, tmp_path: Path) -> Iterator[Place]:
    box = Box()
    post = Post(box, certificate)
    with Web() as web:
        settings = {
            "MAIL_RELAY": f"smtp+plain://127.0.0.1:{post.serve('smtp+plain').port}",
            "MAIL_FROM": "post@in.example",
            "WEBHOOK_LOOPBACK": "true",
            "EVALUATION_ENABLE": "true",
            "LLM_PROVIDER": "openai",
            "LLM_URL": f"{web.url}/v1",
        }
        with (
            started(whole, tmp_path / "cloud", settings) as local,
            connection.connect(local.engine) as cloud,
        ):
            made = Place(local, cloud, box, web, datetime.now(UTC))
            made.populate()
            local.engine.enforce_roles()
            yield made
    post.stop()


def test_from_queue_to_handler_store_event_notification_and_mail_each_under_its_own_role(place: Place) -> None:
    _messages_have_their_consequences(place)
    _periods_are_closed_and_summed_up(place)
    _a_queue_is_looked_after_and_drained_by_hand(place)


def _messages_have_their_consequences(place: Place) -> None:
    for _ in range(2):
        place.use("b1", "exports", 121, place.now)
        # An event of a past day.
        place.use("b2", "imports", 7, place.now - 2 * DAY)
    place.send(AUDIT, place.event(1), place.event(1), place.event(2, colour="red"))
    place.send("users:created", CREATED, CREATED)
    place.send("assessments:evaluation", asked(), asked())

    wanted = ["Welcome", "exports: the feature was switched off", "exports: the limit is exceeded"]
    until(lambda: sorted(str(mail["Subject"]) for mail in place.box.mails) == wanted)
    hooks = until(lambda: len(found := [each for each in place.web.asked if each.path == "/hook"]) == 5 and found)
    kinds = Counter(json.loads(each.body)["type"] for each in hooks)
    assert kinds == {"threshold_warning": 3, "limit_exceeded": 1, "feature_disabled": 1}
    assert one(place.cloud, ORGANIZATIONS, ME.id, "flag#exports")["enabled"] is False
    until(lambda: place.trail() == {"saved": 1, "disable_feature": 1})
    until(lambda: one(place.cloud, ASSESSMENTS, ME.id, "as_1")["state"] == "completed")
    assert len([each for each in place.web.asked if each.path == PATH]) == 1
    month = f"{place.now:%Y-%m}"
    assert one(place.cloud, METERS, ME.key(f"month#{month}"))[f"{month}#exports"] == 121
    [letter] = until(lambda: [row for row in there(place.cloud, STATE) if row["pk"].startswith("dead#")])
    assert (letter["job"], letter["reason"]) == ("audit", "rejected")
    # Every other notification was sent once.
    time.sleep(1)
    assert len(place.box.mails) == 3


def _periods_are_closed_and_summed_up(place: Place) -> None:
    place.use("b3", "reports", 9, place.now - 2 * DAY)
    old = place.now - 2 * DAY
    until(lambda: f"{old:%Y-%m-%d}#reports" in one(place.cloud, METERS, ME.key(f"month#{old:%Y-%m}")))
    closed = place.fire("period-rollover")
    assert (closed["outcome"], closed["counts"]["days"] > 0) == ("done", True)
    day = one(place.cloud, METERS, ME.key("periods"), f"day#{old:%Y-%m-%d}")
    assert day[f"{_archive.UNITS}reports"] == 9
    assert place.fire("usage-aggregation")["outcome"] == "done"
    assert usage_sums.read(place.cloud, ME, f"{old:%Y-%m}")["features"]["reports"]["total"] == 9


def _a_queue_is_looked_after_and_drained_by_hand(place: Place) -> None:
    functions, names = place.local.client("lambda"), place.cloud.names
    [mapping] = functions.list_event_source_mappings(FunctionName=names.function("audit"))["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    before = place.trail()["drained"]
    whole = [json.dumps(place.event(number, action="drained")).ljust(MESSAGE_LIMIT) for number in range(10, 17)]
    place.send(AUDIT, *whole, place.event(20, action="drained"), place.event(21, colour="red"))
    place.send(f"{AUDIT}-dlq", place.event(22))
    assert place.fire("queue-health")["counts"]["carried"] == 1
    assert queue_depth.read(place.cloud)[AUDIT].waiting == 9
    status, body = place.drain(AUDIT)
    assert (status, body) == (200, {"queue": AUDIT, "outcome": "done", "taken": 9, "done": 9, "limit": 50})
    assert place.drain(AUDIT)[0] == 429
    assert place.trail()["drained"] - before == 8
    reasons = {"rejected", "received too often"}
    until(lambda: {row["reason"] for row in there(place.cloud, STATE) if row["pk"] == "dead#audit"} == reasons)
