"""This process's environment, replaced for a while: jobs and AWS clients read it as they do in a function."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

STAGE = "NIGHTSHIFT_STAGE"


@contextmanager
def replaced(values: Mapping[str, str]) -> Iterator[None]:
    """It is `values` for as long as the block lasts."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def said(stage: str, account: str, region: str) -> dict[str, str]:
    """What a deployed function is told of where it is."""
    return {STAGE: stage, "NIGHTSHIFT_ACCOUNT": account, "AWS_REGION": region}
