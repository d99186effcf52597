"""Small checkpoints are in the claim item, large ones in a row of their own."""

from __future__ import annotations

import pytest

from shared.aws.cloud import Cloud
from shared.run import checkpoint
from tests.conftest import Calls


def test_a_small_checkpoint_is_text_and_costs_no_call(cloud: Cloud) -> None:
    calls = Calls(cloud)
    text = checkpoint.store(cloud, "sweep", "-", 7, {"next": 3})
    assert text == '{"next":3}'
    assert checkpoint.load(cloud, "sweep", "-", text) == {"next": 3}
    assert calls.made == []


def test_a_checkpoint_over_the_limit_is_a_row_named_by_its_fence(cloud: Cloud) -> None:
    large = "x" * checkpoint.INLINE_CHECKPOINT
    assert checkpoint.store(cloud, "sweep", "-", 7, large) == "@7"
    assert checkpoint.store(cloud, "sweep", "-", 8, large + "y") == "@8"
    assert checkpoint.load(cloud, "sweep", "-", "@7") == large


@pytest.mark.parametrize("text", [None, "", "@9"])
def test_without_a_checkpoint_there_is_none(text: str | None, cloud: Cloud) -> None:
    assert checkpoint.load(cloud, "sweep", "-", text) is None
