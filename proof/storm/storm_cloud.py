"""Copy of a local deployment whose functions call through a faulty proxy."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from local.cloud import LocalCloud
from proof.storm import small_disk
from proof.storm.faulty_proxy import FaultyProxy
from shared.aws import attributes
from shared.aws.names import LOCAL, Names
from shared.job.registry import jobs
from shared.tables import Table

# The jobs that take part: one of each kind that has messages, leases and effects, and those that retry them.
SWEEP = "notification-delivery"
CONSUMERS = ("usage", "audit", "webhook-delivery")
PLATFORM = ("dispatch", "dead-letters")
TAKING_PART = (SWEEP, *CONSUMERS, *PLATFORM)
# Default of `StormCloud.visibility`; deployed are six times the timeout of a consumer.
VISIBILITY = 30
# Seconds after which Lambda ends a process: a frozen one must outlive its lease.
TIMEOUT = 900
# Of the disk, beside the deployment: functions unpack their code there.
SPARE_MEGABYTES = 300
MINUTE = timedelta(minutes=1)
# Age of the first tick. Each tick is of the minute after the one before, however fast they follow.
FIRST_TICK = timedelta(hours=12)


def deploy(folder: Path, report: Any = lambda _: None) -> None:
    """Deploy to a folder, if something has changed."""
    with LocalCloud(folder, firing=False, settings={}, report=report):
        pass


class RunningProcess(NamedTuple):
    """A process of a function."""

    function: str
    pid: int


class StormCloud:
    """A running local cloud.

    Its rows are read from the engine, without faults.
    """

    def __init__(self, cloud: LocalCloud, proxy: FaultyProxy, no_small_disk: str) -> None:
        #: Seconds until messages of a killed or frozen consumer are delivered again.
        self.visibility = VISIBILITY
        #: Why its disk cannot be filled; empty if it can.
        self.no_small_disk = no_small_disk
        self.cloud = cloud
        self.proxy = proxy
        self.engine = cloud.engine
        self.names = Names(LOCAL, cloud.engine.account, cloud.engine.region)
        self.dynamodb, self.sqs = cloud.client("dynamodb"), cloud.client("sqs")
        self.functions = cloud.client("lambda")
        self._tick = datetime.now(UTC).replace(second=0, microsecond=0) - FIRST_TICK

    def configure(self, settings: Mapping[str, str]) -> None:
        """Let functions call through the proxy, for as long as they like."""
        for job in TAKING_PART:
            function = {"FunctionName": self.names.function(job)}
            before = self.functions.get_function_configuration(**function)["Environment"]["Variables"]
            variables = {**before, **settings, "AWS_ENDPOINT_URL": self.proxy.url}
            self.functions.update_function_configuration(
                **function, Timeout=TIMEOUT, Environment={"Variables": variables}
            )
        for job in (*CONSUMERS, *PLATFORM):
            queue = jobs()[job].queue
            assert queue
            self.sqs.set_queue_attributes(
                QueueUrl=self.names.queue_url(queue), Attributes={"VisibilityTimeout": str(self.visibility)}
            )

    def next_tick(self) -> str:
        """Payload of the sweep's next tick."""
        self._tick += MINUTE
        return json.dumps({"firing": {"job": SWEEP, "at": self._tick.isoformat()}})

    def invoke(self, job: str, payload: str) -> None:
        """Invoke a function asynchronously, as a rule does."""
        self.functions.invoke(FunctionName=self.names.function(job), InvocationType="Event", Payload=payload)

    def send(self, job: str, body: Mapping[str, Any]) -> None:
        queue = jobs()[job].queue
        assert queue
        self.sqs.send_message(QueueUrl=self.names.queue_url(queue), MessageBody=json.dumps(body))

    def put(self, table: Table, row: Mapping[str, Any]) -> None:
        self.dynamodb.put_item(TableName=self.names.table(table.name), Item=attributes.row(dict(row)))

    def rows(self, table: Table) -> list[dict[str, Any]]:
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=self.names.table(table.name))
        return [attributes.plain(item) for page in pages for item in page["Items"]]

    def busy(self) -> list[RunningProcess]:
        """Processes that run an invocation."""
        taking_part = {self.names.function(job) for job in TAKING_PART}
        processes = self.engine.processes()
        running = [each for each in processes if each["request_id"] and each["function"] in taking_part]
        return [RunningProcess(str(each["function"]), int(each["pid"])) for each in running]

    def waiting(self) -> int:
        """Messages in all queues of the jobs, received and delayed ones included."""
        return sum(self._waiting(job) for job in (*CONSUMERS, *PLATFORM))

    def _waiting(self, job: str) -> int:
        queue = jobs()[job].queue
        assert queue
        found = self.sqs.get_queue_attributes(QueueUrl=self.names.queue_url(queue), AttributeNames=["All"])
        return sum(int(value) for name, value in found["Attributes"].items() if name.startswith("Approximate"))

    def log_lines(self) -> Iterator[dict[str, Any]]:
        """Structured lines that the functions have logged."""
        for job in TAKING_PART:
            file = self.cloud.folder / "logs" / f"{self.names.function(job)}.log"
            for line in file.read_text(errors="replace").splitlines() if file.exists() else ():
                with contextlib.suppress(ValueError):
                    if isinstance(found := json.loads(line), dict):
                        yield found


def signal_group(pid: int, number: signal.Signals) -> bool:
    """Signal a process with its children; whether it was there."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
        return True
    return False


@contextlib.contextmanager
def running(
    base: Path, folder: Path, settings: Mapping[str, str], seed: int, visibility: int = VISIBILITY
) -> Iterator[StormCloud]:
    """Run a copy of a deployment in `folder` while the block lasts.

    It is on a small disk if this machine has one.
    """
    with contextlib.ExitStack() as closing:
        reason = ""
        try:
            closing.enter_context(small_disk.mounted(folder, _megabytes(base) + SPARE_MEGABYTES))
        except small_disk.NoSmallDisk as error:
            reason = str(error)
        shutil.copytree(base, folder, symlinks=True, dirs_exist_ok=True)
        local = closing.enter_context(LocalCloud(folder, firing=False, settings={}))
        proxy = closing.enter_context(FaultyProxy(local.engine.endpoint, seed))
        cloud = StormCloud(local, proxy, reason)
        cloud.visibility = visibility
        cloud.configure(settings)
        yield cloud


def _megabytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) >> 20
