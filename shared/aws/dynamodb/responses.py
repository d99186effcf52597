"""Responses of DynamoDB as boto3 returns them.

Most are plain JSON that needs no conversion; botocore's parser reads the others, and all errors.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import HTTPClientError

if TYPE_CHECKING:
    from botocore.model import OperationModel, Shape

# The beginning of the type of a binary value, or of a set of them.
BINARY = b'"B'
OK = 200
CHECKSUM = "x-amz-crc32"
# The first status that raises.
FIRST_FAILURE = 300
# The first status that botocore parses as an error.
FIRST_ERROR = 301


class HttpAnswer(NamedTuple):
    """HTTP response with its body, by the names of botocore's AWSResponse."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes


class DamagedResponse(HTTPClientError):
    """A successful status with a body that is not DynamoDB's answer.

    It is retried like a lost connection: what the call did is unknown.
    """

    fmt = "the response to {operation} {fault}: it was damaged, or another server sent it; check {endpoint_url}"


def parse(answer: HttpAnswer, model: OperationModel, url: str) -> dict[str, Any]:
    """Parse a response; that of an error has `Error`.

    answer: an HttpAnswer, or the AWSResponse of a handler of `before-send`. Raises DamagedResponse.
    """
    if answer.status_code >= FIRST_FAILURE:
        return _parse_by_model(answer, model)
    expected = answer.headers.get(CHECKSUM)
    if expected is not None and expected != str(zlib.crc32(answer.content)):
        raise DamagedResponse(operation=model.name, fault="does not match its checksum", endpoint_url=url)
    try:
        parsed = json.loads(answer.content)
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict):
        # As an empty result it would mean a row that does not exist, or a write that left nothing over.
        raise DamagedResponse(operation=model.name, fault="is not a JSON object", endpoint_url=url)
    if answer.status_code != OK or BINARY in answer.content:
        return _parse_by_model(answer, model)
    parsed["ResponseMetadata"] = _metadata(answer)
    return parsed


def _metadata(answer: HttpAnswer) -> dict[str, Any]:
    headers = {name.lower(): value for name, value in answer.headers.items()}
    metadata: dict[str, Any] = {"HTTPStatusCode": answer.status_code, "HTTPHeaders": headers}
    if "x-amzn-requestid" in headers:
        metadata["RequestId"] = headers["x-amzn-requestid"]
    return metadata


def _parse_by_model(answer: HttpAnswer, model: OperationModel) -> dict[str, Any]:
    # Imported lazily: the parsers are a part of each boto3 client's own calls only.
    from botocore.parsers import create_parser

    response = {
        "headers": answer.headers,
        "status_code": answer.status_code,
        "body": answer.content,
        "context": {"operation_name": model.name},
    }
    parser: Any = create_parser("json")
    parsed: dict[str, Any] = parser.parse(response, model.output_shape)
    if answer.status_code >= FIRST_ERROR:
        shape: Shape | None = model.service_model.shape_for_error_code(parsed["Error"]["Code"])
        # The fields of its shape, such as the row of a failed condition.
        parsed.update(parser.parse(response, shape) if shape is not None else {})
    return parsed
