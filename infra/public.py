"""Front stack: Function URLs, alarms, the dashboard."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra import queues, quotas, roles
from infra.alarms import Alarms
from infra.dashboard import Dashboard
from infra.deployment import Deployment
from infra.function import Code, Function, FunctionSpec, log_days
from infra.job import platform_environment
from shared.aws.names import FRONT_STACK
from shared.aws.permissions import Grant
from shared.job import registry
from shared.job.definition import Job
from shared.text.whole_number import is_whole_number

TIMEOUT = 29
MEMORY = 256
# Context key, its default, and its maximum. By default four URLs reserve 20 of the account's pool, of which AWS keeps
# 100 unreserved.
CONCURRENCY, URL_CONCURRENCY, MAX_CONCURRENCY = "url-concurrency", 5, 1000


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A folder of functions/ that serves a Function URL.

    Its handler.py has `handle` and GRANTS, and may have `grants(jobs)` with those that depend on the jobs that it
    serves, TIMEOUT (seconds), MEMORY (MB), ALARM = False if it reports its failures itself, JOB_DETAILS = True if its
    bundle contains the descriptions of all jobs, and SETTINGS, variables that it reads where they are set.
    """

    name: str
    purpose: str
    grants: tuple[Grant, ...]
    of_jobs: Callable[[Mapping[str, Job]], Iterable[Grant]]
    timeout: int
    memory: int
    alarm: bool
    job_details: bool
    settings: tuple[str, ...]

    def granted(self, jobs: Mapping[str, Job]) -> tuple[Grant, ...]:
        """All grants in a deployment with these jobs."""
        return (*self.grants, *self.of_jobs(jobs))


def endpoints() -> list[Endpoint]:
    endpoints = []
    for name in registry.endpoints():
        module = importlib.import_module(f"functions.{name}.handler")
        endpoints.append(
            Endpoint(
                name=name,
                purpose=(module.__doc__ or "").partition("\n")[0],
                grants=module.GRANTS,
                of_jobs=getattr(module, "grants", lambda _: ()),
                timeout=getattr(module, "TIMEOUT", TIMEOUT),
                memory=getattr(module, "MEMORY", MEMORY),
                alarm=getattr(module, "ALARM", True),
                job_details=getattr(module, "JOB_DETAILS", False),
                settings=getattr(module, "SETTINGS", ()),
            )
        )
    return endpoints


def concurrency(scope: Construct) -> int | None:
    """Reserved concurrency of each URL's function.

    A flood of requests throttles no job. Set by `-c url-concurrency=N`; 0 reserves none, for an account whose pool is
    too small. Raises LimitError.
    """
    given = scope.node.try_get_context(CONCURRENCY)
    text = str(URL_CONCURRENCY if given is None else given)
    if not is_whole_number(text) or int(text) > MAX_CONCURRENCY:
        raise quotas.LimitError(f"-c {CONCURRENCY}={text}: use a whole number from 0 to {MAX_CONCURRENCY}")
    return int(text) or None


def _set(names: Iterable[str], deployment: Deployment) -> dict[str, str]:
    return {name: value for name in names if (value := deployment.environment.get(name))}


class Front(Stack):
    def __init__(self, scope: Construct, deployment: Deployment, endpoints: list[Endpoint], **stack: Any) -> None:
        super().__init__(scope, deployment.names.stack(FRONT_STACK), **stack)
        names = deployment.names
        alarms = Alarms(self, deployment)
        alarms.of_queues(queues.plan(deployment.jobs))
        alarms.of_runs()
        if deployment.dashboard:
            Dashboard(self, deployment, [endpoint.name for endpoint in endpoints])
        for endpoint in endpoints:
            FunctionUrl(self, endpoint, deployment)
            if endpoint.alarm:
                alarms.of_errors(names.function(endpoint.name))


class FunctionUrl(Construct):
    """Function behind a public URL.

    Its handler authorizes each request before anything else.
    """

    def __init__(self, scope: Construct, endpoint: Endpoint, deployment: Deployment) -> None:
        super().__init__(scope, endpoint.name)
        spec = FunctionSpec(
            name=deployment.names.function(endpoint.name),
            handler=f"functions.{endpoint.name}.handler.handle",
            description=endpoint.purpose,
            timeout=endpoint.timeout,
            memory=endpoint.memory,
            log_days=log_days("standard"),
            environment={**platform_environment(deployment), **_set(endpoint.settings, deployment)},
        )
        code = Code(self, endpoint.name, deployment, with_manifest=True, with_details=endpoint.job_details)
        allowed = roles.statements(deployment.names, endpoint.granted(deployment.jobs))
        function = Function(self, spec, allowed, code)
        function.resource.reserved_concurrent_executions = concurrency(self)
        url = lambda_.CfnUrl(self, "Url", auth_type="NONE", target_function_arn=function.arn)
        # Since October 2025 a new URL returns 403 unless both are allowed.
        # https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html
        lambda_.CfnPermission(
            self,
            "MayCallUrl",
            action="lambda:InvokeFunctionUrl",
            function_name=function.arn,
            principal="*",
            function_url_auth_type="NONE",
        )
        lambda_.CfnPermission(
            self,
            "MayInvoke",
            action="lambda:InvokeFunction",
            function_name=function.arn,
            principal="*",
            invoked_via_function_url=True,
        )
        CfnOutput(self, "Address", value=url.attr_function_url, description=f"URL of {endpoint.name}")
