"""Replace this process's environment for a while.

Jobs and AWS clients read it as they do in a function.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

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
    """Names of variables that lead to services outside, such as MAIL_RELAY."""
    # Imported lazily: importing all jobs takes time, and commands for an AWS account do not need it.
    from shared.job import registry

    jobs = registry.discover({}).jobs.values()
    names = {setting.name for job in jobs for setting in job.all_settings() if setting.external}
    return sorted(name for name in names if variables.get(name, "").strip())


def deployment_variables(stage: str, account: str, region: str) -> dict[str, str]:
    """Variables that name the deployment, as a deployed function has them."""
    return {STAGE: stage, "NIGHTSHIFT_ACCOUNT": account, "AWS_REGION": region}
