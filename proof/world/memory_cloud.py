"""The clients of one process, on services in memory."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from proof.world.aws_errors import error_class
from proof.world.memory_clients import MemoryClient
from proof.world.memory_deployment import MemoryDeployment
from proof.world.memory_s3 import RoleS3
from shared.aws import permissions
from shared.aws.cloud import CALLED, ONCE, PATIENT, QUICK, Cloud

if TYPE_CHECKING:
    from proof.world.process import Process
    from proof.world.world import World


class MemoryCloud(Cloud):
    """`Cloud` of a process in a world.

    Each process has its own, as after a cold start.
    """

    def __init__(self, world: World, process: Process) -> None:
        super().__init__(world.names, process.clock, world.environment)
        self.world = world
        #: The process that makes the calls. A warm start replaces it.
        self.process = process

    def _client(self, service: str, bounds: tuple[int, int, int] = PATIENT) -> Any:
        # A client of boto3 would call the network.
        raise NotImplementedError(f"{service} in memory does not exist")

    def _memory(self, service: str, backend: Any, bounds: tuple[int, int, int] = PATIENT) -> Any:
        return MemoryClient(self, service, backend, bounds[2])

    @cached_property
    def dynamodb(self) -> Any:
        return self._memory("dynamodb", self.world.claims, QUICK)

    @cached_property
    def bulk(self) -> Any:
        return self._memory("dynamodb", self.world.claims)

    @cached_property
    def s3(self) -> Any:
        job = self.world.jobs.get(self.process.job)
        finds_missing = job is None or permissions.find_missing_objects() in job.grants()
        return self._memory("s3", self.world.s3 if finds_missing else RoleS3(self.world.s3))

    @cached_property
    def sqs(self) -> Any:
        return self._memory("sqs", self.world.sqs, QUICK)

    @cached_property
    def sqs_new_trace(self) -> Any:
        return self._memory("sqs", self.world.sqs, QUICK)

    @cached_property
    def sns(self) -> Any:
        return self._memory("sns", self.world.topic, ONCE)

    @cached_property
    def functions(self) -> Any:
        return self._memory("lambda", self.world.functions)

    @cached_property
    def functions_once(self) -> Any:
        return self._memory("lambda", self.world.functions, CALLED)

    @cached_property
    def stacks(self) -> Any:
        return self._memory("cloudformation", MemoryDeployment())

    @cached_property
    def rules(self) -> Any:
        return self._memory("events", MemoryDeployment())

    @cached_property
    def schedules(self) -> Any:
        return self._memory("scheduler", MemoryDeployment())

    @cached_property
    def secret_values(self) -> Any:
        from aws_lambda_powertools.utilities.parameters import SecretsProvider

        return SecretsProvider(boto3_client=self._memory("secretsmanager", self.world.secrets))

    @cached_property
    def parameter_values(self) -> Any:
        from aws_lambda_powertools.utilities.parameters import SSMProvider

        return SSMProvider(boto3_client=self._memory("ssm", self.world.secrets, QUICK))

    @cached_property
    def ConditionalCheckFailed(self) -> type[Any]:  # noqa: N802 - the name in `Cloud`
        return error_class("ConditionalCheckFailedException")
