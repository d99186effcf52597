"""Settings of a job that runs in this process.

Those of its deployed function, unless this environment has others.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from cli import output
from cli.environment import replace_environment
from shared.aws.cloud import Cloud
from shared.job import registry
from shared.job.definition import Job
from shared.job.overrides import configured, settings_of
from shared.job.setting import Setting, SettingError


@contextmanager
def load(job: Job, cloud: Cloud) -> Iterator[Job]:
    """Put the settings into this process's environment while the block lasts.

    Yields the job that they configure; one whose settings are invalid has its declared values.
    """
    variables = _deployed_variables(cloud, job, job.all_settings())
    if job.needs_manifest:
        # Only a bundle has a manifest; here a job reads the declarations of the others from the environment.
        for other in registry.discover({}).jobs.values():
            variables |= _deployed_variables(cloud, other, settings_of(type(other)).values())
    with replace_environment(variables | os.environ):
        try:
            configured_class: type[Job] = configured(job.declared, os.environ)
        except SettingError:
            configured_class = job.declared
        yield configured_class()


def _deployed_variables(cloud: Cloud, job: Job, settings: Iterable[Setting]) -> dict[str, str]:
    deployed = _deployed(job, cloud)
    return {setting.name: deployed[setting.name] for setting in settings if setting.name in deployed}


def _deployed(job: Job, cloud: Cloud) -> dict[str, str]:
    """All variables of the job's function.

    Empty without a function: on one machine, cron may run all jobs.
    """
    from botocore.exceptions import ClientError

    try:
        config = cloud.functions.get_function_configuration(FunctionName=cloud.names.function(job.name))
    except cloud.functions.exceptions.ResourceNotFoundException:
        return {}
    except ClientError as error:
        output.notice(f"the deployed settings cannot be read, this environment's are used: {error}")
        return {}
    return config.get("Environment", {}).get("Variables", {})
