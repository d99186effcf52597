"""Responses of DynamoDB as boto3 returns them.

Most are plain JSON that needs no conversion; botocore's parser reads the others, and all errors.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from botocore.model import OperationModel, Shape

# The beginning of the type of a binary value, or of a set of them.
BINARY = b'"B'
OK = 200
# The first status that botocore parses as an error.
FIRST_ERROR = 301


class HttpAnswer(NamedTuple):
    """HTTP response with its body, by the names of botocore's AWSResponse."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes


def parse(answer: HttpAnswer, model: OperationModel) -> dict[str, Any]:
    """Parse a response; that of an error has `Error`.

    answer: an HttpAnswer, or the AWSResponse of a handler of `before-send`.
    """
    if answer.status_code == OK and BINARY not in answer.content:
        try:
            parsed = json.loads(answer.content or b"{}")
        except ValueError:
            parsed = None
        if isinstance(parsed, dict):
            parsed["ResponseMetadata"] = _metadata(answer)
            return parsed
    return _parse_by_model(answer, model)


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
