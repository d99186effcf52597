"""DynamoDB's answers as they come: but for binary values, their JSON is what botocore's client returns."""

from __future__ import annotations

from typing import Any

from botocore.parsers import JSONParser, ResponseParserFactory

READS = frozenset(("QueryOutput", "ScanOutput", "GetItemOutput", "BatchGetItemOutput"))
# How the name of a binary value begins, or that of a set of them.
BINARY = b'"B'


class AsItComes(JSONParser):
    """Botocore looks at every value of every attribute for what JSON cannot say: three quarters of the CPU that a row
    costs to read."""

    def _handle_json_body(self, raw_body: bytes, shape: Any) -> Any:
        if shape.name in READS and BINARY not in raw_body:
            return self._parse_body_as_json(raw_body)  # type: ignore[attr-defined]
        return super()._handle_json_body(raw_body, shape)  # type: ignore[misc]


class DynamoDbParserFactory(ResponseParserFactory):
    """To be registered as a session's `response_parser_factory`."""

    def create_parser(self, protocol_name: str) -> Any:
        if protocol_name == "json":
            return AsItComes(**self._defaults)  # type: ignore[attr-defined]
        return super().create_parser(protocol_name)
