"""Every job of the mail product as deployed: in its function, under its own role."""

from __future__ import annotations

import io
import json
import time
import urllib.request
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zipfile import ZipFile

import pytest

from cli.up import connection
from local.cloud import LocalCloud
from local.services.dns_server import DnsServer
from shared import tables
from shared.job import registry
from shared.messages import envelope
from shared.product.webhook_event import DELIVER, WebhookDelivery
from shared.run import history
from shared.run.firing import Firing
from shared.tables import STATE
from tests.local.conftest import started
from tests.support.certificate import Certificate
from tests.support.engine_mail import Mailed
from tests.support.mailbox import Box, Post
from tests.support.stored_rows import one, there
from tests.support.web_server import Web

GROUPS = ("mail", "accounts", "webhooks")
MINUTE = timedelta(minutes=1)
# After the others: these work on their rows.
LATER = ("bandwidth-rebuild", "message-metadata-cleanup", "notification-delivery")
BY_QUEUE = "webhook-delivery"
# Functions that start in parallel on two processors.
WIDTH = 4
PATIENCE = 300

# A minute and a half on an idle machine, seven on a busy one.
pytestmark = pytest.mark.timeout(1200)


@pytest.fixture
def mailed(whole: Path, certificate: Certificate, tmp_path: Path) -> Iterator[tuple[LocalCloud, Mailed]]:
    box = Box()
    post = Post(box, certificate)
    with DnsServer() as names, Web() as web:
        settings = {
            "MAIL_RELAY": f"smtp+plain://127.0.0.1:{post.serve('smtp+plain').port}",
            "MAIL_FROM": "post@in.example",
            "DNS_SERVERS": names.address,
            "WEBHOOK_LOOPBACK": "true",
            "UNVERIFIED_DESTINATION_EXPIRY_ENABLE": "true",
        }
        with (
            started(whole, tmp_path / "cloud", settings) as local,
            connection.connect(local.engine) as cloud,
        ):
            made = Mailed(cloud, box, names, web, datetime.now(UTC).replace(microsecond=0))
            made.populate()
            local.engine.enforce_roles()
            yield local, made
    post.stop()


def fire(local: LocalCloud, made: Mailed, job: str, tick: datetime) -> dict[str, Any]:
    """Wait for the row of the job's run for that tick."""
    cloud, known = made.cloud, registry.jobs()[job]
    firing = Firing(job, tick)
    if known.schedule is None:
        # A manual run for one day.
        firing = Firing(job, made.received, manual=True, id="by hand")
        payload = json.dumps({"firing": firing.data()})
        local.client("lambda").invoke(FunctionName=cloud.names.function(job), InvocationType="Event", Payload=payload)
    else:
        assert local.ticker.fire(cloud.names.function(job), tick)
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        for row in there(cloud, STATE):
            if (
                row["pk"].startswith(f"runs#{job}#")
                and row.get("tick") == history.tick_label(firing)
                and "outcome" in row
            ):
                return row
        time.sleep(0.2)
    return {"job": job, "ok": False, "note": "no end in sight"}


def refused(local: LocalCloud, made: Mailed, job: str, tick: datetime) -> str:
    """Report of the job without its grants."""
    iam, name = local.client("iam"), made.cloud.names.function(job)
    role = local.client("lambda").get_function_configuration(FunctionName=name)["Role"].rpartition("/")[2]
    [policy] = iam.list_role_policies(RoleName=role)["PolicyNames"]
    said = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
    own = [one for one in said["Statement"] if "magic-links" not in json.dumps(one["Resource"])]
    iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps({**said, "Statement": own}))
    row = fire(local, made, job, tick)
    return "" if row["ok"] else row["note"]


def fetched(local: LocalCloud, made: Mailed) -> list[str]:
    """Files of an export, by the mailed link: through the Function URL to S3."""
    link = str(one(made.cloud, tables.EXPORTS, "ada", "new")["link"])
    with urllib.request.urlopen(local.function_urls["downloads"] + urlsplit(link).path, timeout=30) as answer:
        assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
        return ZipFile(io.BytesIO(answer.read())).namelist()


def test_every_job_does_its_work_under_its_own_role(mailed: tuple[LocalCloud, Mailed]) -> None:
    local, made = mailed
    names = [name for name, job in registry.jobs().items() if job.group in GROUPS and name != BY_QUEUE]
    tick, bad = made.now.replace(second=0), dict[str, Any]()

    def run(jobs: Iterable[str], at: datetime) -> None:
        with ThreadPoolExecutor(WIDTH) as pool:
            for row in pool.map(lambda job: fire(local, made, job, at), jobs):
                if not row["ok"]:
                    bad[row["job"]] = row["note"]

    told = {"organization_id": "org_1", "receiver_id": "r1", "event_id": "e1", "event": "alias.made", "body": "{}"}
    envelope.send(made.cloud, DELIVER, WebhookDelivery.model_validate(told))
    run([name for name in names if name not in LATER], tick)
    made.spoil()
    run([*LATER, "account-deletion"], tick + MINUTE)
    facts = made.facts()
    assert bad == {}
    assert [name for name, holds in facts.items() if not holds] == []
    assert set(facts) == {*names, BY_QUEUE}
    assert "users.json" in fetched(local, made)
    # Without a grant, the role denies it.
    assert "AccessDenied" in refused(local, made, "magic-link-expiry", tick + MINUTE)
