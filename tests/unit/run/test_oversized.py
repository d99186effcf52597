"""Dead letters over the limit of SQS: the event is in S3, and nobody else's object is read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.aws.cloud import Cloud
from shared.run import oversized
from shared.run.oversized import MESSAGE_LIMIT
from tests.conftest import Calls

LARGE = {"job": "sweep", "reason": "rejected", "event": {"text": "x" * MESSAGE_LIMIT}}


def decode(cloud: Cloud, text: str) -> Any:
    return json.loads(oversized.decode(cloud, json.loads(text), text))


def test_a_small_dead_letter_is_its_message(cloud: Cloud) -> None:
    calls = Calls(cloud)
    letter = {"job": "sweep", "event": {"n": 1}}
    text = oversized.encode(cloud, letter)
    assert json.loads(text) == decode(cloud, text) == {"dead": letter}
    assert calls.made == []


def test_a_large_dead_letter_fits_into_a_message_and_is_read_whole(cloud: Cloud) -> None:
    text = oversized.encode(cloud, LARGE)
    assert len(text) < 1000
    assert decode(cloud, text) == {"dead": LARGE}


def test_the_same_event_is_stored_once(cloud: Cloud) -> None:
    assert oversized.encode(cloud, LARGE) == oversized.encode(cloud, {**LARGE})
    stored = cloud.s3.list_objects_v2(Bucket=cloud.names.bucket, Prefix=oversized.folder("sweep"))
    assert stored["KeyCount"] == 1


@pytest.mark.parametrize(
    "dead",
    [
        {"job": "sweep", "event": {"kept": "dead/purge/large/1"}},
        {"job": "sweep", "event": {"kept": 7}},
        {"job": "sweep", "event": {"kept": "dead/sweep/large/1", "more": 1}},
        {"job": "sweep"},
        "sweep",
    ],
)
def test_a_message_that_names_no_object_of_its_job_is_left_as_it_is(dead: Any, cloud: Cloud) -> None:
    calls = Calls(cloud)
    assert decode(cloud, json.dumps({"dead": dead})) == {"dead": dead}
    assert calls.made == []
