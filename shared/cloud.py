"""The only door to AWS: lazy clients on one session, the clock, the names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from shared.clock import Clock
from shared.names import Names

if TYPE_CHECKING:
    from botocore.config import Config
    from botocore.session import Session
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

CONNECT_TIMEOUT = 3
READ_TIMEOUT = 10
ATTEMPTS = 4


class Cloud:
    """Clients are made at first use; botocore's are safe to share between threads."""

    def __init__(
        self,
        names: Names | None = None,
        clock: Clock | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.names = names or Names.from_environment()
        self.clock = clock or Clock()
        self.environment = os.environ if environment is None else environment

    @cached_property
    def session(self) -> Session:
        from botocore.session import get_session

        return get_session()

    @cached_property
    def _config(self) -> Config:
        from botocore.config import Config

        return Config(
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=READ_TIMEOUT,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        )

    def _client(self, service: str) -> Any:
        return self.session.create_client(service, region_name=self.names.region, config=self._config)

    @cached_property
    def dynamodb(self) -> DynamoDBClient:
        client: DynamoDBClient = self._client("dynamodb")
        return client

    @cached_property
    def s3(self) -> S3Client:
        client: S3Client = self._client("s3")
        return client

    @cached_property
    def sqs(self) -> SQSClient:
        client: SQSClient = self._client("sqs")
        return client

    @cached_property
    def sns(self) -> SNSClient:
        client: SNSClient = self._client("sns")
        return client

    @cached_property
    def functions(self) -> LambdaClient:
        client: LambdaClient = self._client("lambda")
        return client

    @cached_property
    def secrets(self) -> SecretsManagerClient:
        client: SecretsManagerClient = self._client("secretsmanager")
        return client

    @cached_property
    def refused(self) -> type[Any]:
        """What a conditional write raises when its condition does not hold; `error.response["Item"]` is the row."""
        return self.dynamodb.exceptions.ConditionalCheckFailedException
