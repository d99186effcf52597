"""DynamoDB in memory behind a server on loopback that throttles, resets connections and answers slowly."""

from __future__ import annotations

import json
import threading
import time
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from proof.world.dynamodb import MemoryDynamoDb
from shared.aws.cloud import Cloud
from shared.aws.names import Names
from shared.tables import Table
from tests.support.scripted_dynamodb import SECRET, Answer, endpoint, ok, refusal

NAMES = Names("test", "123456789012", "us-east-1")
FAULTS = ("throttled", "throttled", "reset", "unavailable", "lost", "slow", *[""] * 4)


class FaultyDynamoDb:
    """Half of all requests meet a fault at their first try, a sixth one at their second.

    Which ones depends on their body alone, so that the order of threads changes nothing. A quarter of the faults are
    lost answers to requests that were performed.
    """

    def __init__(self, tables: Sequence[Table]) -> None:
        self.database = MemoryDynamoDb(tables, NAMES.table, lambda: datetime.now(UTC))
        self.requests: Counter[str] = Counter()
        #: Requests that DynamoDB performed.
        self.performed: Counter[str] = Counter()
        self._tries: Counter[int] = Counter()
        self._lock = threading.Lock()

    def answer(self, request: dict[str, Any]) -> Answer:
        operation = request["headers"]["x-amz-target"].partition(".")[2]
        digest = zlib.crc32(json.dumps(request["body"], sort_keys=True).encode())
        with self._lock:
            self.requests[operation] += 1
            number = self._tries[digest]
            self._tries[digest] += 1
        fault = (
            FAULTS[digest % len(FAULTS)] if number == 0 else ("throttled" if number == 1 and digest % 6 == 0 else "")
        )
        if fault == "throttled":
            return refusal("ProvisionedThroughputExceededException")
        if fault == "reset":
            return Answer(fault="reset")
        if fault == "unavailable":
            return Answer(503, b"")
        if fault == "slow":
            time.sleep(0.05)
        answer = self._perform(operation, request["body"])
        return Answer(fault="reset") if fault == "lost" else answer

    def _perform(self, operation: str, body: dict[str, Any]) -> Answer:
        with self._lock:
            self.performed[operation] += 1
            try:
                return ok(**self.database.call(operation, body))
            except ClientError as error:
                response: Any = error.response
                fields = {name: response[name] for name in ("Item", "CancellationReasons") if name in response}
                return refusal(response["Error"]["Code"], **fields)


@contextmanager
def faulty_dynamodb(tables: Sequence[Table]) -> Iterator[tuple[FaultyDynamoDb, Cloud]]:
    """The database, and a cloud whose clients call it through HTTP."""
    faulty = FaultyDynamoDb(tables)
    with pytest.MonkeyPatch.context() as patch, endpoint(faulty.answer) as at:
        for name, value in {
            "AWS_ENDPOINT_URL": at.url,
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        }.items():
            patch.setenv(name, value)
        # Pauses between tries are shortened: the server does not need them.
        pause = time.sleep
        patch.setattr("shared.aws.dynamodb.client.time.sleep", lambda seconds: pause(min(seconds, 0.01)))
        yield faulty, Cloud(NAMES, environment={})
        assert not at.unsigned
