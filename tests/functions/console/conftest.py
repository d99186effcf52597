"""A console over a mocked cloud in the state of a busy night, and persons at it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from functions.console._ui import Console
from shared.aws.cloud import Cloud
from shared.http import internal_token
from shared.messages import queue_depth
from tests.conftest import Lines, VirtualClock
from tests.support.console_browser import Person
from tests.support.console_state import BusyNight

VIEWER_TOKEN = "just looking"


@pytest.fixture
def started(cloud: Cloud) -> list[dict[str, Any]]:
    """The invocations of jobs."""
    made: list[dict[str, Any]] = []
    cloud.__dict__["functions"] = SimpleNamespace(invoke=lambda **call: made.append(call))
    return made


@pytest.fixture
def console(cloud: Cloud, clock: VirtualClock, log: Lines, started: list[dict[str, Any]]) -> Console:
    name = cloud.names.secret(internal_token.VIEWER_SECRET)
    cloud.secrets.create_secret(Name=name, SecretString=VIEWER_TOKEN)
    night = BusyNight(cloud)
    for queue in queue_depth.queues(night.entries):
        cloud.sqs.create_queue(QueueName=cloud.names.queue(queue))
    night.write()
    # The entries that follow in the audit log are later than these.
    clock.move(seconds=1)
    return Console(cloud, log)


@pytest.fixture
def operator(console: Console) -> Person:
    person = Person(console)
    assert person.sign_in("open sesame").status == 303
    return person


@pytest.fixture
def viewer(console: Console) -> Person:
    person = Person(console)
    assert person.sign_in(VIEWER_TOKEN, "grace").status == 303
    return person
