"""A job's settings when it is run by hand: as its function is deployed with them, unless this environment differs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from cli import output
from cli.environment import replaced
from shared.aws.cloud import Cloud
from shared.job import registry
from shared.job.definition import Job
from shared.job.overrides import settings_of
from shared.job.settings import Setting


@contextmanager
def of(job: Job, cloud: Cloud) -> Iterator[Job]:
    """Put them into this process's environment for as long as the block lasts; the job as it stands there."""
    told = _told(cloud, job, job.all_settings())
    if job.needs_manifest:
        # Without a manifest in a bundle it knows the others by this environment.
        for other in registry.jobs({}).values():
            told |= _told(cloud, other, settings_of(type(other)).values())
    with replaced(told | os.environ):
        yield registry.find(job.name)


def _told(cloud: Cloud, job: Job, known: Iterable[Setting]) -> dict[str, str]:
    deployed = _deployed(job, cloud)
    return {setting.name: deployed[setting.name] for setting in known if setting.name in deployed}


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
