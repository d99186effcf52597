"""AWS clients on one botocore session, with clock and names.

No other module makes a client.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from shared.aws import throttled_calls
from shared.aws.names import Names
from shared.clock import Clock

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.parameters import SecretsProvider, SSMProvider
    from boto3.session import Session
    from botocore.session import Session as BotocoreSession
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_scheduler import EventBridgeSchedulerClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

# Seconds to connect, seconds to read an answer, and tries in all. The state table must answer or fail while the run can
# still record its outcome; objects may be large.
QUICK = (1, 3, 3)
PATIENT = (3, 10, 4)
# For calls whose repetition has a second effect: the caller decides about a retry. A throttled call had none.
ONCE = (3, 10, 1)
# For calls that take long, or whose caller waits: no retry at all.
THINKING = (3, 120, 1)
CALLED = (3, 24, 1)
# The most threads of a bulk job: each connection beyond the pool is closed after one use, and each new one loads the
# certificates anew, 15 ms of CPU.
CONNECTIONS = 32
USER_AGENT = "nightshift"


class Cloud:
    """Clients of one botocore session, made at first use.

    It also has the clock and the names of one deployment. clients may be shared between threads.
    """

    def __init__(
        self,
        names: Names | None = None,
        clock: Clock | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.names = names or Names.from_environment()
        self.clock = clock or Clock()
        self.environment = os.environ if environment is None else environment
        self._creation = threading.RLock()

    @cached_property
    def botocore_session(self) -> BotocoreSession:
        """Session of all clients, with the faster model loader.

        Clients are made without boto3, whose import takes a fifth of a reading command's CPU.
        """
        from botocore.session import Session

        from shared.aws.service_models import ServiceModelLoader

        session = Session()
        session.register_component("data_loader", ServiceModelLoader())
        return session

    @cached_property
    def session(self) -> Session:
        """The same session with boto3's resources and file transfers."""
        from boto3.session import Session

        return Session(botocore_session=self.botocore_session, region_name=self.names.region)

    def _client(self, service: str, bounds: tuple[int, int, int] = PATIENT) -> Any:
        from botocore.config import Config

        connect, read, attempts = bounds
        config = Config(
            # The default is composed of twenty parts, twice for each call: a seventh of its CPU.
            user_agent=USER_AGENT,
            connect_timeout=connect,
            read_timeout=read,
            max_pool_connections=CONNECTIONS,
            retries={"mode": "standard", "total_max_attempts": attempts},
        )
        # Two threads must not make clients of one session at once; they may use them.
        with self._creation:
            client: Any = self.botocore_session.create_client(service, region_name=self.names.region, config=config)
        if bounds not in (THINKING, CALLED):
            client.meta.events.register_last(f"needs-retry.{service}", throttled_calls.repeat)
        return client

    def _dynamodb(self, bounds: tuple[int, int, int]) -> Any:
        from shared.aws.dynamodb.client import DynamoDb
        from shared.aws.dynamodb.transport import behind_proxy

        client = self._client("dynamodb", bounds)
        if behind_proxy(client.meta.endpoint_url):
            return client
        authorities = self.botocore_session.get_config_variable("ca_bundle")
        return DynamoDb(client, self.botocore_session.get_credentials(), authorities or "")

    @cached_property
    def dynamodb(self) -> DynamoDBClient:
        client: DynamoDBClient = self._dynamodb(QUICK)
        return client

    @cached_property
    def bulk(self) -> DynamoDBClient:
        """DynamoDB client for many rows, which waits longer for an answer."""
        client: DynamoDBClient = self._dynamodb(PATIENT)
        return client

    @cached_property
    def s3(self) -> S3Client:
        client: S3Client = self._client("s3")
        return client

    @cached_property
    def sqs(self) -> SQSClient:
        client: SQSClient = self._client("sqs", QUICK)
        return client

    @cached_property
    def sqs_new_trace(self) -> SQSClient:
        """SQS client that starts a new trace for each message.

        For deferred messages: Lambda's loop detection ends a chain of requests in which a function has run 16 times,
        however long that took.
        """
        client: SQSClient = self._client("sqs", QUICK)
        client.meta.events.register("before-call", _begin_trace)
        return client

    @cached_property
    def sns(self) -> SNSClient:
        client: SNSClient = self._client("sns", ONCE)
        return client

    @cached_property
    def mail(self) -> SESV2Client:
        client: SESV2Client = self._client("sesv2", ONCE)
        return client

    @cached_property
    def functions(self) -> LambdaClient:
        client: LambdaClient = self._client("lambda")
        return client

    @cached_property
    def functions_once(self) -> LambdaClient:
        """Lambda client for synchronous calls: one try, a short timeout.

        The timeout is shorter than that of the HTTP function that makes the call.
        """
        client: LambdaClient = self._client("lambda", CALLED)
        return client

    @cached_property
    def stacks(self) -> CloudFormationClient:
        client: CloudFormationClient = self._client("cloudformation")
        return client

    @cached_property
    def roles(self) -> IAMClient:
        client: IAMClient = self._client("iam")
        return client

    @cached_property
    def rules(self) -> EventBridgeClient:
        client: EventBridgeClient = self._client("events")
        return client

    @cached_property
    def schedules(self) -> EventBridgeSchedulerClient:
        client: EventBridgeSchedulerClient = self._client("scheduler")
        return client

    @cached_property
    def logs(self) -> CloudWatchLogsClient:
        client: CloudWatchLogsClient = self._client("logs")
        return client

    @cached_property
    def secrets(self) -> SecretsManagerClient:
        client: SecretsManagerClient = self._client("secretsmanager")
        return client

    @cached_property
    def parameters(self) -> Any:
        """Parameters of Systems Manager; standard ones are free."""
        return self._client("ssm", QUICK)

    @cached_property
    def secret_values(self) -> SecretsProvider:
        """Cached values of secrets: read them with shared/aws/secrets.py."""
        from aws_lambda_powertools.utilities.parameters import SecretsProvider

        return SecretsProvider(boto3_client=self.secrets)

    @cached_property
    def parameter_values(self) -> SSMProvider:
        """Cached values of SSM parameters: read them with shared/aws/secrets.py."""
        from aws_lambda_powertools.utilities.parameters import SSMProvider

        return SSMProvider(boto3_client=self.parameters)

    @cached_property
    def bedrock(self) -> Any:
        """Bedrock client with one try, since each call costs money.

        Its timeout of minutes leaves time for the model's answer.
        """
        return self._client("bedrock-runtime", THINKING)

    @cached_property
    def ConditionalCheckFailed(self) -> type[Any]:  # noqa: N802 - the name of the exception class that it returns
        """Exception of a write whose condition does not hold.

        `error.response["Item"]` is the row.
        """
        return self.dynamodb.exceptions.ConditionalCheckFailedException


def _begin_trace(params: Any, **_: Any) -> None:
    # Otherwise botocore sends the trace of this invocation, in which Lambda counts the runs.
    params["headers"]["X-Amzn-Trace-Id"] = f"Root=1-{int(time.time()):08x}-{os.urandom(12).hex()}"


def not_performed(error: Exception) -> bool:
    """Whether a failed AWS call certainly had no effect.

    It was refused, or never sent.
    """
    from botocore import exceptions

    if isinstance(error, exceptions.ClientError):
        return 400 <= error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) < 500
    outcome_unknown = (exceptions.HTTPClientError, exceptions.IncompleteReadError, exceptions.SSLError)
    return isinstance(error, exceptions.BotoCoreError) and not isinstance(error, outcome_unknown)
