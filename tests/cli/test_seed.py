"""`seed` writes the sample data of a group, or of all, once."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cli import options
from cli.commands.seed import seeded_groups
from cli.main import main
from shared.aws.cloud import Cloud
from shared.job import manifest, registry
from shared.messages import queue_depth
from shared.tables import TABLES
from tests.conftest import VirtualClock
from tests.support.sweeping import all_of

GROUPS = seeded_groups(registry.jobs({}).values())
# Some rows of these groups are named by time, such as those of audit trails.
BY_TIME = {"accounts", "mail"}


@pytest.fixture
def local(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cloud:
    """The local cloud of the command, with two sites."""

    @contextmanager
    def opened(*_: Any, **__: Any) -> Iterator[Cloud]:
        yield cloud

    for name in queue_depth.queues(manifest.load()):
        for queue in filter(None, (name, queue_depth.dead_letter_queue(name))):
            cloud.sqs.create_queue(QueueName=cloud.names.queue(queue))
    monkeypatch.setattr(options, "open_cloud", opened)
    monkeypatch.setenv("NIGHTSHIFT_LOCAL", str(tmp_path))
    monkeypatch.setenv("BASE_URLS", '["https://shop.example", "https://blog.example"]')
    cloud.environment = os.environ
    return cloud


def rows(cloud: Cloud) -> dict[tuple[str, str, str], Any]:
    return {(table.name, row["pk"], row["sk"]): row for table in TABLES for row in all_of(cloud, table.name)}


# The group operations leaves failures of the present time.
@pytest.mark.parametrize("group", sorted({*GROUPS} - {"operations"}))
def test_the_same_seed_changes_nothing_the_second_time(group: str, local: Cloud, clock: VirtualClock) -> None:
    assert main(["seed", group, "--count", "2"]) == 0
    before = rows(local)
    assert before
    clock.move(minutes=5)
    assert main(["seed", group, "--count", "2"]) == 0
    after = rows(local)
    assert after.items() >= before.items()
    assert group in BY_TIME or after.keys() == before.keys()


def test_all_groups_are_seeded_by_one_command(local: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["seed", "all", "--count", "1", "--json"]) == 0
    counts = json.loads(capsys.readouterr().out)
    # One user each of accounts, mail and webhooks, and one who is leaving.
    assert (counts["users"], counts["webevals"], counts["assessments"], counts["dead letters"]) == (4, 1, 2, 1)


def test_sample_webhooks_lead_to_the_receiver_of_the_local_cloud(
    local: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "receiver.url").write_text("http://127.0.0.1:4711\n")
    assert main(["seed", "webhooks", "--count", "1"]) == 0
    monkeypatch.setenv("SAMPLE_RECEIVER_URL", "https://other.example")
    assert main(["seed", "webhooks", "--count", "2"]) == 0
    urls = [row["url"] for row in all_of(local, "webhooks")]
    assert urls == ["http://127.0.0.1:4711/w1-0000000", "https://other.example/w1-0000001"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("plugins",), "the group 'plugins' has no seed.py; these groups have one: accounts, assessments, flags"),
        (("mail", "--count", "0"), "--count 0 writes nothing; it must be at least 1"),
    ],
)
def test_invalid_arguments_write_nothing(
    words: tuple[str, ...], says: str, local: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["seed", *words]) == 2
    assert says in capsys.readouterr().err
