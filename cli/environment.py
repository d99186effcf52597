"""Replace this process's environment for a while.

Jobs and AWS clients read it as they do in a function.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

STAGE = "NIGHTSHIFT_STAGE"


@contextmanager
def replace_environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set the environment to exactly `values` while the block lasts."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def external(variables: Mapping[str, str]) -> list[str]:
    """Names of variables that lead to services outside, such as MAIL_RELAY.

    A URL of this machine does not. A relay of this machine does: it sends mail on.
    """
    # Imported lazily: commands for an AWS account do not need it.
    from cli import declared_jobs
    from shared.job.settings_check import BROKERS

    names = declared_jobs.read().external
    outside = {name for name in names if not (name.endswith("_URL") and _is_loopback(variables.get(name, "")))}
    return sorted(name for name in {*outside, *BROKERS} if variables.get(name, "").strip())


def _is_loopback(url: str) -> bool:
    try:
        return urlsplit(url.strip()).hostname in ("localhost", "127.0.0.1", "::1")
    except ValueError:
        return False


def deployment_variables(stage: str, account: str, region: str) -> dict[str, str]:
    """Variables that name the deployment, as a deployed function has them."""
    return {STAGE: stage, "NIGHTSHIFT_ACCOUNT": account, "AWS_REGION": region}
