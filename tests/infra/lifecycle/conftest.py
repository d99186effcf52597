"""Small apps, deployed to a local cloud by the CDK command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from local.deploy import DeployError, LocalDeployment
from local.engine import properties
from local.engine.engine import Engine

ROOT = Path(__file__).parents[3]
SYNTHESIZER = Path(__file__).with_name("synthesizer.py")
DIRECT = ("--method", "direct")
FORBIDDEN = ("FAILED", "ROLLBACK_COMPLETE")

SCHEDULED = '''
"""A scheduled job of a test."""

from shared.job.definition import Job
from shared.job.idempotency import natural
from shared.job.outcome import Done, Outcome
from shared.job.schedule import cron
from shared.run.context import RunContext


class {title}(Job):
    """Do nothing."""

    schedule = cron("5 4 * * *"{zone})
    idempotency = natural("nothing is done")
    {more}

    def work(self, tick: RunContext) -> Outcome:
        return Done()
'''
CONSUMER = '''
"""A consumer of a test."""

from shared.archetypes.consumer import Consumer, Message
from shared.job.idempotency import upsert
from shared.messages.payload import Payload
from shared.messages.tenant import Tenant
from shared.run.context import RunContext


class Parcel(Payload):
    content: str


class {title}(Consumer[Parcel]):
    """Take what comes in."""

    queue = "{queue}"
    idempotency = upsert("the same write again")

    def admits(self, tick: RunContext, tenant: Tenant) -> bool:
        return True

    def handle(self, tick: RunContext, message: Message[Parcel]) -> None:
        tick.log.info("taken", messageId=message.id)
'''


def scheduled(name: str, more: str = "", zone: str = "") -> str:
    title = "".join(part.title() for part in name.split("_"))
    return SCHEDULED.format(title=title, more=more, zone=f', zone="{zone}"' if zone else "")


def consumer(name: str, queue: str) -> str:
    return CONSUMER.format(title=name.title(), queue=queue)


APP = {
    "operations/heart": scheduled("heart"),
    "left/keeper": scheduled("keeper"),
    "left/mover": scheduled("mover", zone="Europe/Berlin"),
    "left/taker": consumer("taker", "parcels"),
    "right/other": scheduled("other"),
}


@dataclass
class Deployed:
    """One stage of one account, and the commands on it."""

    engine: Engine
    synthesizer: subprocess.Popen[str]
    stage: str
    folder: Path
    production: bool = False
    protected: bool = False
    watched: bool = True
    count: int = 0
    clients: dict[str, Any] = field(default_factory=dict)

    def name(self, thing: str) -> str:
        return f"nightshift-{self.stage}-{thing}"

    def synthesize(self, files: Mapping[str, str], existing: tuple[str, ...] = (), **context: str) -> Path:
        """An assembly of an app with these jobs."""
        self.count += 1
        folder = self.folder / f"{self.stage}-{self.count}"
        wanted = {
            "files": {path: textwrap.dedent(source) for path, source in files.items()},
            "stage": self.stage,
            "production": self.production,
            "protected": self.protected,
            "watched": self.watched,
            "folder": str(folder),
            "existing": existing,
            "context": context,
        }
        assert self.synthesizer.stdin
        assert self.synthesizer.stdout
        self.synthesizer.stdin.write(json.dumps(wanted) + "\n")
        self.synthesizer.stdin.flush()
        assert self.synthesizer.stdout.readline() == "done\n", "the synthesis failed"
        properties.check(properties.templates_in(folder))
        return folder

    def cdk(self, assembly: Path, *words: str) -> None:
        LocalDeployment(self.engine)._cdk(words[0], "--app", str(assembly), *words[1:])

    def deploy(self, assembly: Path, *words: str) -> None:
        how = words or ("--all", *DIRECT)
        self.cdk(assembly, "deploy", "--require-approval", "never", "--concurrency", "8", *how)

    def jobs(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run jobs.py against the account."""
        return subprocess.run(
            [sys.executable, str(ROOT / "jobs.py"), *words, "--aws", "--stage", self.stage],
            env=self.engine.environment({**os.environ, "AWS_REGION": self.engine.region, "COLUMNS": "200"}),
            capture_output=True,
            text=True,
            check=False,
        )

    def reasons(self, stack: str) -> str:
        """Reasons of the events of a stack that exists or existed."""
        formation = self.client("cloudformation")
        stacks = formation.list_stacks()["StackSummaries"]
        [ident] = [one["StackId"] for one in stacks if one["StackName"] == self.name(stack)][:1]
        events = formation.describe_stack_events(StackName=ident)["StackEvents"]
        return "\n".join(event.get("ResourceStatusReason", "") for event in events)

    def refused(self, assembly: Path, *words: str) -> str:
        """Deploy, which fails; the output."""
        with pytest.raises(DeployError) as failed:
            self.deploy(assembly, *words)
        return str(failed.value)

    def client(self, service: str) -> Any:
        if service not in self.clients:
            self.clients[service] = self.engine.client(service)
        return self.clients[service]

    def _mine(self, names: Any) -> set[str]:
        prefix = self.name("")
        return {name.split(prefix, 1)[1] for name in names if prefix in name}

    def stacks(self) -> dict[str, str]:
        found = self.client("cloudformation").describe_stacks()["Stacks"]
        return {
            stack["StackName"].removeprefix(self.name("")): stack["StackStatus"]
            for stack in found
            if stack["StackName"].startswith(self.name(""))
        }

    def functions(self) -> dict[str, str]:
        """Functions and the hash of their code and variables."""
        return {
            one["FunctionName"].removeprefix(self.name("")): f"{one['CodeSha256']} {one['LastModified']}"
            for page in self.client("lambda").get_paginator("list_functions").paginate()
            for one in page["Functions"]
            if one["FunctionName"].startswith(self.name(""))
        }

    def fired(self) -> set[str]:
        """Names of rules, schedules and mappings: everything that starts a function."""
        rules = self.client("events").list_rules()["Rules"]
        schedules = self.client("scheduler").list_schedules()["Schedules"]
        mappings = self.client("lambda").list_event_source_mappings()["EventSourceMappings"]
        return {
            *self._mine(rule["Name"] for rule in rules),
            *self._mine(schedule["Name"] for schedule in schedules),
            *self._mine(mapping["EventSourceArn"] for mapping in mappings),
        }

    def queues(self) -> set[str]:
        return self._mine(self.client("sqs").list_queues().get("QueueUrls", []))

    def logs(self) -> set[str]:
        groups = self.client("logs").describe_log_groups()["logGroups"]
        return self._mine(group["logGroupName"] for group in groups)

    def tables(self) -> set[str]:
        pages = self.client("dynamodb").get_paginator("list_tables").paginate()
        return self._mine(name for page in pages for name in page["TableNames"])


@pytest.fixture(scope="session")
def bootstrapped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine with the CDK's bootstrap stack."""
    with Engine(tmp_path_factory.mktemp("lifecycle") / "state") as engine:
        LocalDeployment(engine)._bootstrap()
        yield engine


@pytest.fixture(scope="session")
def synthesizer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[str]]:
    tree = tmp_path_factory.mktemp("lifecycle-app")
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(tree), str(ROOT))),
        "CDK_DEFAULT_ACCOUNT": Engine.account,
        "CDK_DEFAULT_REGION": Engine.region,
    }
    with subprocess.Popen(
        [sys.executable, str(SYNTHESIZER), str(tree)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=tree,
        env=environment,
    ) as process:
        yield process
        assert process.stdin
        process.stdin.close()


@pytest.fixture
def stage(
    request: pytest.FixtureRequest, bootstrapped: Engine, synthesizer: subprocess.Popen[str], tmp_path: Path
) -> Deployed:
    """A stage of its own for each test; `stage.production` makes it production."""
    number = sum(ord(letter) * place for place, letter in enumerate(request.node.name, 1)) % 1_000_000
    return Deployed(bootstrapped, synthesizer, f"t{number}", tmp_path)
