"""The organizations of tests/functions/flags, with queues of assessments."""

from __future__ import annotations

import pytest

from shared.aws.cloud import Cloud
from tests.conftest import Lines, VirtualClock
from tests.functions.flags.conftest import World, opened


@pytest.fixture
def world(cloud: Cloud, clock: VirtualClock, log: Lines) -> World:
    return opened(cloud, clock, log, ("assessments:evaluation", "flagship:notifications", "users:created"))
