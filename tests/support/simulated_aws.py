"""AWS of one test: tables in memory, every other service by moto."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from moto import mock_aws

from shared.aws.cloud import PATIENT, Cloud
from shared.tables import TABLES
from tests.support.client_pool import ClientPool
from tests.support.simulated_tables import SimulatedTables
from tests.support.table_creation import create_table


class SimulatedAws:
    """What the clients of a deployment reach while the context lasts.

    moto starts when a client needs it, and a service's resources are created with its first client: most tests need
    none of them.
    """

    _current: SimulatedAws | None = None

    def __init__(self, clients: ClientPool, cloud: Cloud, *, tables_in_memory: bool = True) -> None:
        self._clients = clients
        self._cloud = cloud
        # A test may give the cloud the names of another deployment.
        self._names = cloud.names
        self._moto: Any = None
        self._lock = threading.RLock()
        self._missing: dict[str, Callable[[Any], None]] = {
            "dynamodb": self._create_tables,
            "s3": self._create_bucket,
            "sqs": self._create_queues,
            "sns": self._create_topic,
            "secretsmanager": self._create_token,
        }
        #: None if moto has the tables too.
        self.tables = SimulatedTables(cloud.names, cloud.clock.now, TABLES) if tables_in_memory else None

    def __enter__(self) -> Self:
        SimulatedAws._current = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        SimulatedAws._current = None
        self._clients.take_back()
        if self._moto is not None:
            self._moto.stop()

    @classmethod
    def of(cls, cloud: Cloud) -> SimulatedAws | None:
        """The AWS that a cloud's clients reach; None for those of the local engine."""
        current = cls._current
        return current if current and current._cloud is cloud else None

    def client(self, cloud: Cloud, service: str, bounds: tuple[int, int, int] = PATIENT) -> Any:
        """Make a client, as `Cloud._client` does."""
        # No thread gets a client before the resources of its service exist.
        with self._lock:
            return self._made(cloud, service, bounds)

    def start_moto(self) -> None:
        """Start moto, also for clients that are not of this cloud."""
        if self._moto is None:
            self._moto = mock_aws()
            self._moto.start()

    def _made(self, cloud: Cloud, service: str, bounds: tuple[int, int, int]) -> Any:
        client = self._clients.take(cloud, service, bounds)
        if service == "dynamodb" and self.tables is not None:
            self.tables.serve(client)
            return client
        self.start_moto()
        if create := self._missing.pop(service, None):
            # By this client: once a property of the cloud has one, other threads use it.
            create(client)
        return client

    def _create_tables(self, client: Any) -> None:
        for table in TABLES:
            create_table(client, self._names, table)

    def _create_bucket(self, client: Any) -> None:
        client.create_bucket(Bucket=self._names.bucket)

    def _create_queues(self, client: Any) -> None:
        for queue in ("firings", "firings-dlq", "last-resort", "work"):
            client.create_queue(QueueName=self._names.queue(queue))

    def _create_topic(self, client: Any) -> None:
        client.create_topic(Name=self._names.topic("alerts"))

    def _create_token(self, client: Any) -> None:
        client.create_secret(Name=self._names.secret("internal-health-token"), SecretString="open sesame")
