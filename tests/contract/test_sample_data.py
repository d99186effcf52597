"""Law: after `seed`, each job of the registry has real work at its next tick, and each sample message is handled."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cli.commands.seed import seed, seeded_groups
from cli.commands.test import at_time, sample
from functions.accounts._dns import LABEL
from functions.sites.auth import CREDENTIALS
from local.demo import site as demo_site
from local.services.dns_server import DnsServer
from local.services.smtp_server import SmtpServer
from local.services.webhook_receiver import WebhookReceiver
from shared.archetypes.consumer import Consumer
from shared.archetypes.purge import Purge
from shared.archetypes.sweep import Sweep
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.job import manifest, registry
from shared.job.definition import Job
from shared.messages import queue_depth
from shared.messages.run_batch import run_batch
from shared.product.sample_organization import RECEIVER_URL
from shared.run import firing
from shared.run.firing import Batch, Firing
from shared.run.run import run
from shared.tables import DOMAINS, STATE, TENANTS
from tests.conftest import Lines, VirtualClock, letters, mocked_cloud
from tests.functions.assessments.test_evaluation import MODEL, PATH, plain, scored
from tests.support.sweeping import all_of
from tests.support.web_server import Web

JOBS = registry.jobs({})
TICKED = {name: job for name, job in JOBS.items() if not isinstance(job, Consumer)}
CONSUMERS = {name: job for name, job in JOBS.items() if isinstance(job, Consumer)}
COUNT = 2
# Counts of items whose work failed, or was put off.
POSTPONED = {"again", "faulty", "put_off", "unwarned"}
# Job -> why a seed cannot give it work.
WITHOUT_WORK = {
    "crash": "it fails on purpose, and does nothing before",
    "drift-watch": "it compares what a deployment has created, and here is none",
    "kb-labs-plugin-template-cleanup": "it deletes files of its workspace by age, and S3 dates a file at its upload",
}


@dataclass
class Functions:
    """A Lambda client that records invocations."""

    started: list[str] = field(default_factory=list)

    def invoke(self, FunctionName: str, **_: Any) -> None:  # noqa: N803 - boto's name
        self.started.append(FunctionName)


@dataclass(frozen=True)
class Seeded:
    """A cloud with the sample data of all groups, and the servers that jobs call."""

    cloud: Cloud
    clock: VirtualClock
    log: Lines
    functions: Functions

    def rows(self, job: Job) -> dict[tuple[str, str, str], Any]:
        """Rows that consumers write, but the status of this one."""
        found = {}
        for table in (STATE, *TENANTS):
            pages = self.cloud.dynamodb.get_paginator("scan").paginate(TableName=self.cloud.names.table(table.name))
            for item in (attributes.plain(each) for page in pages for each in page["Items"]):
                if table is not STATE or not item["pk"].startswith(f"{job.key}:"):
                    found[table.name, item["pk"], item["sk"]] = item
        return found


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seeded]:
    clock, folder = VirtualClock(), tmp_path_factory.mktemp("servers")
    with ExitStack() as stack:
        cloud = stack.enter_context(mocked_cloud(clock, stack.enter_context(pytest.MonkeyPatch.context())))
        _create_queues(cloud)
        functions, names = Functions(), stack.enter_context(DnsServer())
        cloud.__dict__["functions"] = functions
        cloud.environment = {
            **{f"{job.env}_ENABLE": "true" for job in JOBS.values()},
            **_sites(cloud, stack),
            **_servers(stack, folder, names),
            **_model(cloud, stack),
        }
        for group in seeded_groups(JOBS.values()):
            seed(group, cloud, COUNT, 1)
        for row in all_of(cloud, DOMAINS.name):
            names.put(f"{LABEL}.{row['sk']}", "TXT", f'"{row["challenge"]}"')
        yield Seeded(cloud, clock, Lines(clock), functions)


@pytest.fixture(autouse=True)
def next_minute(seeded: Seeded) -> None:
    """Rows that an earlier run has moved are due again."""
    seeded.clock.move(minutes=1)


def _create_queues(cloud: Cloud) -> None:
    for name in queue_depth.queues(manifest.load()):
        for queue in filter(None, (name, queue_depth.dead_letter_queue(name))):
            cloud.sqs.create_queue(QueueName=cloud.names.queue(queue))


def _sites(cloud: Cloud, stack: ExitStack) -> Mapping[str, str]:
    demo = demo_site.start()
    stack.callback(demo.stop)
    cloud.secrets.create_secret(Name=cloud.names.secret(CREDENTIALS), SecretString=demo.credentials)
    return {"BASE_URLS": json.dumps(demo.base_urls), "WEB_EVAL_EXEC_HOSTS": ",".join(demo.hosts)}


def _servers(stack: ExitStack, folder: Path, names: DnsServer) -> Mapping[str, str]:
    box = stack.enter_context(SmtpServer(folder / "mail"))
    receiver = stack.enter_context(WebhookReceiver(folder / "webhooks.jsonl"))
    return {
        "MAIL_RELAY": f"smtp+plain://127.0.0.1:{box.port}",
        "MAIL_FROM": "post@in.example",
        "DNS_SERVERS": names.address,
        "WEBHOOK_LOOPBACK": "true",
        "ACCOUNT_EXPORT_LINK": "https://in.example/{ticket}",
        RECEIVER_URL.name: receiver.url,
    }


def _model(cloud: Cloud, stack: ExitStack) -> Mapping[str, str]:
    model = stack.enter_context(Web())
    model.answers[PATH] = plain(scored())
    cloud.parameters.put_parameter(Name="/nightshift/test/llm-key", Value="open sesame", Type="SecureString")
    return {"LLM_PROVIDER": "openai", "LLM_MODEL": MODEL, "LLM_URL": f"{model.url}/v1"}


def event(job: Job, clock: VirtualClock) -> Firing | Batch:
    """The sample event at the clock's time."""
    return firing.parse(job.name, at_time(sample(job), clock.now()), clock.now())


@pytest.mark.parametrize("name", sorted(TICKED.keys() - WITHOUT_WORK.keys()))
def test_a_tick_after_seeding_has_work(name: str, seeded: Seeded) -> None:
    job = JOBS[name]
    fired = event(job, seeded.clock)
    assert isinstance(fired, Firing)
    report = run(job, fired, seeded.cloud, seeded.log)
    assert report.outcome == "done", report.note
    done = {word: count for word, count in report.counts.items() if count}
    assert done, "nothing was due"
    assert _expected(job) <= done.keys()
    assert not POSTPONED & done.keys()


def _expected(job: Job) -> set[str]:
    """Counts that are above zero where items were not only found, but processed."""
    match job:
        case Purge():
            return {"purged", "warned"} if job.warn else {"purged"}
        case Sweep():
            return {"settled"}
    return set()


@pytest.mark.parametrize("job", CONSUMERS.values(), ids=CONSUMERS)
def test_a_sample_message_is_handled_after_seeding(job: Job, seeded: Seeded) -> None:
    batch = event(job, seeded.clock)
    assert isinstance(batch, Batch)
    letters(seeded.cloud, "firings-dlq")
    before, started = seeded.rows(job), len(seeded.functions.started)
    assert run_batch(job, batch, seeded.cloud, seeded.log, job.timeout) == []
    assert letters(seeded.cloud, "firings-dlq") == []
    assert seeded.rows(job) != before or len(seeded.functions.started) > started


def test_a_job_that_is_left_out_exists() -> None:
    assert WITHOUT_WORK.keys() <= TICKED.keys()
