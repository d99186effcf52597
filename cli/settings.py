"""A job's settings when it is run by hand: as its function is deployed with them, unless this environment differs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from cli import output
from cli.environment import replaced
from shared.cloud import Cloud
from shared.job import Job


@contextmanager
def of(job: Job, cloud: Cloud) -> Iterator[None]:
    """Put them into this process's environment for as long as the block lasts."""
    deployed = _deployed(job, cloud)
    known = {setting.name for setting in job.all_settings()}
    with replaced({name: deployed[name] for name in known & set(deployed)} | os.environ):
        yield


def _deployed(job: Job, cloud: Cloud) -> dict[str, str]:
    """Empty where there is no such function: on one machine, cron may be all that runs jobs."""
    from botocore.exceptions import ClientError

    try:
        config = cloud.functions.get_function_configuration(FunctionName=cloud.names.function(job.name))
    except cloud.functions.exceptions.ResourceNotFoundException:
        return {}
    except ClientError as error:
        output.say(f"settings are this environment's alone: {error}")
        return {}
    return config.get("Environment", {}).get("Variables", {})
