"""Client of DynamoDB for the operations on items, around a boto3 client.

It signs with botocore's SigV4Auth and sends with urllib3. Events, retries and exceptions are those of the boto3 client:
the same handlers are called, in the same order. Other operations are left to it.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSPreparedRequest, AWSRequest
from botocore.exceptions import NoCredentialsError

from shared.aws.dynamodb.responses import FIRST_FAILURE, DamagedResponse, HttpAnswer, parse
from shared.aws.dynamodb.transport import Transport

if TYPE_CHECKING:
    from botocore.credentials import Credentials
    from botocore.model import OperationModel

# The operations by the names of boto3's methods. Their requests and responses are plain JSON.
OPERATIONS = {
    "batch_get_item": "BatchGetItem",
    "batch_write_item": "BatchWriteItem",
    "delete_item": "DeleteItem",
    "get_item": "GetItem",
    "put_item": "PutItem",
    "query": "Query",
    "scan": "Scan",
    "transact_get_items": "TransactGetItems",
    "transact_write_items": "TransactWriteItems",
    "update_item": "UpdateItem",
}
Parsed = dict[str, Any]
Answered = tuple[HttpAnswer, Parsed]


def _base64(value: Any) -> str:
    """Binary values in JSON."""
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    raise TypeError(f"an attribute value cannot be {type(value).__name__}: {value!r:.80}")


ENCODER = json.JSONEncoder(default=_base64, separators=(",", ":"), check_circular=False)


class DynamoDb:
    """Client with boto3's methods, results and exceptions.

    client: a boto3 client for DynamoDB. credentials: those of its session; None if it has none. authorities: file of
    certificate authorities; empty for botocore's own.

    Parameters are not validated, which takes half of the CPU of a large batch: DynamoDB refuses wrong ones.
    """

    def __init__(self, client: Any, credentials: Credentials | None, authorities: str = "") -> None:
        self.meta = client.meta
        self.exceptions = client.exceptions
        self._client = client
        self._credentials = credentials
        #: Where all requests are sent.
        self.url: str = client.meta.endpoint_url.rstrip("/") + "/"
        self._transport = Transport(self.url, client.meta.config, authorities)
        self._context = {
            "client_region": client.meta.region_name,
            "client_config": client.meta.config,
            "has_streaming_input": False,
        }

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        operation = OPERATIONS.get(name)
        found = getattr(self._client, name) if operation is None else self._method(operation)
        # The next access finds it as an attribute.
        self.__dict__[name] = found
        return found

    def _method(self, operation: str) -> Callable[..., Parsed]:
        call = OperationCall(self, operation)

        def method(**parameters: Any) -> Parsed:
            return call.make(parameters)

        return method

    def sign(self, request: AWSRequest) -> None:
        """Add the signature, with the credentials as they are now."""
        if self._credentials is None:
            raise NoCredentialsError
        # Expired ones are renewed here.
        frozen = self._credentials.get_frozen_credentials()
        SigV4Auth(frozen, "dynamodb", self.meta.region_name).add_auth(request)

    def send(self, request: AWSPreparedRequest) -> HttpAnswer:
        body: Any = request.body
        return self._transport.send(dict(request.headers.items()), body)

    def context(self) -> dict[str, Any]:
        """Values for the handlers of one call's events."""
        return dict(self._context)


class OperationCall:
    """Calls of one operation."""

    def __init__(self, client: DynamoDb, operation: str) -> None:
        self.client = client
        self.operation = operation
        service = client.meta.service_model
        self.model: OperationModel = service.operation_model(operation)
        self.url = client.url
        self.headers = {
            "X-Amz-Target": f"{service.metadata['targetPrefix']}.{operation}",
            "Content-Type": f"application/x-amz-json-{service.metadata['jsonVersion']}",
        }

    def make(self, parameters: Parsed) -> Parsed:
        context = self.client.context()
        self._emit("before-parameter-build", params=parameters, model=self.model, context=context)
        request = {
            "method": "POST",
            "url": self.url,
            "url_path": "/",
            "query_string": "",
            "headers": dict(self.headers),
            "body": ENCODER.encode(parameters).encode(),
            "context": context,
        }
        _, answered = self.client.meta.events.emit_until_response(
            f"before-call.dynamodb.{self.operation}",
            model=self.model,
            params=request,
            request_signer=None,
            context=context,
        )
        answer, parsed = answered or self._answer(request)
        self._emit("after-call", http_response=answer, parsed=parsed, model=self.model, context=context)
        if answer.status_code >= FIRST_FAILURE:
            raise self.client.exceptions.from_code(parsed.get("Error", {}).get("Code"))(parsed, self.operation)
        result: Parsed = parsed
        return result

    def _answer(self, request: Parsed) -> Answered:
        """Send until a response is final. Raises the last exception.

        The handlers of `needs-retry` decide: they know the client's mode, number of tries and quota of retries.
        """
        attempt = 0
        while True:
            attempt += 1
            answered = self._try(request)
            # The handlers note in a response what they did, also in that of the last try.
            if attempt == 1 and not isinstance(answered, Exception) and answered[0].status_code < FIRST_FAILURE:
                break
            pause = self._pause(request, answered, attempt)
            if pause is None:
                break
            time.sleep(pause)
        if isinstance(answered, Exception):
            self._emit("after-call-error", exception=answered, context=request["context"])
            raise answered
        answered[1].setdefault("ResponseMetadata", {})["RetryAttempts"] = attempt - 1
        return answered

    def _try(self, request: Parsed) -> Answered | Exception:
        signed = AWSRequest("POST", self.url, request["headers"], request["body"])
        self.client.sign(signed)
        prepared = AWSPreparedRequest("POST", self.url, signed.headers, request["body"], stream_output=False)
        try:
            answers = self._emit("before-send", request=prepared)
            answer = next((each for _, each in answers if each is not None), None) or self.client.send(prepared)
        except Exception as error:  # noqa: BLE001 - whether it is worth a retry is decided by its class
            return error
        try:
            return answer, parse(answer, self.model, self.url)
        except DamagedResponse as error:
            return error

    def _pause(self, request: Parsed, answered: Answered | Exception, attempt: int) -> float | None:
        """Seconds before the next try; None for no try."""
        failure = answered if isinstance(answered, Exception) else None
        answers = self._emit(
            "needs-retry",
            response=None if failure else answered,
            endpoint=None,
            operation=self.model,
            attempts=attempt,
            caught_exception=failure,
            request_dict=request,
        )
        pause = next((pause for _, pause in answers if pause is not None), None)
        # False is the answer of a handler that forbids others to retry.
        return None if pause is None or pause is False else float(pause)

    def _emit(self, event: str, **values: Any) -> Any:
        return self.client.meta.events.emit(f"{event}.dynamodb.{self.operation}", **values)
