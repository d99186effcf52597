"""Deployed job: function, role, log group, failure destination, schedules."""

from __future__ import annotations

from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.alarms import Alarms
from infra.deployment import Deployment
from infra.function import Code, Function, FunctionSpec, log_days
from infra.job_permissions import allowed
from infra.schedules import Schedules
from shared.aws.names import FIRINGS
from shared.job.console_url import CONSOLE_URL
from shared.job.definition import Job
from shared.job.lease_margin import LEASE_MARGIN

HANDLER = "shared.handler.handle"
JOB_TAG = "nightshift:job"
# How long Lambda may keep a tick that finds no free function. An older one returns through the queue of firings, which
# does not count as an attempt; by then the next tick of most jobs has done the work.
MAXIMUM_EVENT_AGE = 3600


class DeployedJob(Construct):
    def __init__(self, scope: Construct, job: Job, deployment: Deployment, code: Code) -> None:
        super().__init__(scope, job.name)
        names = deployment.names
        spec = FunctionSpec(
            name=names.function(job.name),
            handler=HANDLER,
            description=job.purpose(),
            timeout=job.timeout,
            memory=job.memory,
            log_days=log_days(job.retention),
            environment=environment(job, deployment),
            tags={JOB_TAG: job.name},
        )
        self.function = Function(self, spec, allowed(job, deployment), code)
        lambda_.CfnEventInvokeConfig(
            self,
            "Deaths",
            function_name=self.function.ref,
            qualifier="$LATEST",
            maximum_retry_attempts=0,
            maximum_event_age_in_seconds=MAXIMUM_EVENT_AGE,
            destination_config=lambda_.CfnEventInvokeConfig.DestinationConfigProperty(
                on_failure=lambda_.CfnEventInvokeConfig.OnFailureProperty(
                    destination=names.arn("sqs", names.queue(FIRINGS))
                )
            ),
        )
        Schedules(self, job, names, deployment.account, self.function)
        if job.silent_after is not None:
            Alarms(self, deployment).of_silence(job, job.silent_after)


def environment(job: Job, deployment: Deployment) -> dict[str, str]:
    """Variables of every function, and settings that the deployer has set."""
    settings = {setting.name: deployment.environment.get(setting.name) for setting in job.all_settings()}
    return {
        **platform_environment(deployment),
        "NIGHTSHIFT_JOB": job.place,
        **{name: value for name, value in settings.items() if value is not None},
    }


def platform_environment(deployment: Deployment) -> dict[str, str]:
    names, given = deployment.names, deployment.environment
    return {
        **{each.name: given[each.name] for each in (LEASE_MARGIN, CONSOLE_URL) if given.get(each.name)},
        "NIGHTSHIFT_STAGE": names.stage,
        "NIGHTSHIFT_PRODUCTION": str(names.production).lower(),
        "NIGHTSHIFT_ACCOUNT": names.account,
        "NIGHTSHIFT_PARTITION": names.partition,
        "NIGHTSHIFT_URL_SUFFIX": names.suffix,
        **deployment.account.variables,
    }
