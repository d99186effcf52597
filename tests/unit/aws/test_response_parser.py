"""The parser of DynamoDB's answers returns the same as botocore's."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.parsers import JSONParser
from hypothesis import given
from hypothesis import strategies as st

from shared.aws.cloud import Cloud
from shared.aws.response_parser import TAKEN_AS_JSON, AsItComes, DynamoDbParserFactory

TEXT = st.text(max_size=8)
NUMBER = st.integers().map(str) | st.just("1.5e-7")
SCALAR = st.one_of(
    TEXT.map(lambda text: {"S": text}),
    NUMBER.map(lambda number: {"N": number}),
    st.booleans().map(lambda flag: {"BOOL": flag}),
    st.just({"NULL": True}),
    st.lists(TEXT, min_size=1, max_size=3).map(lambda texts: {"SS": texts}),
    st.lists(NUMBER, min_size=1, max_size=3).map(lambda numbers: {"NS": numbers}),
)
VALUE = st.recursive(
    SCALAR,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda values: {"L": values})
        | st.dictionaries(TEXT, inner, max_size=3).map(lambda values: {"M": values})
    ),
    max_leaves=8,
)
ITEM = st.dictionaries(TEXT, VALUE, max_size=4)


def parsed(cloud: Cloud, operation: str, body: Any, parser: JSONParser) -> Any:
    shape = cloud.dynamodb.meta.service_model.operation_model(operation).output_shape
    answer = {"status_code": 200, "headers": {"x-amzn-requestid": "1"}, "body": json.dumps(body).encode()}
    return parser.parse(answer, shape)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def plain() -> Cloud:
    return Cloud(environment={})


@given(items=st.lists(ITEM, max_size=3), more=st.none() | ITEM)
def test_rows_are_parsed_as_botocore_does(plain: Cloud, items: list[Any], more: Any) -> None:
    body = {"Items": items, "Count": len(items), "ScannedCount": 7} | ({"LastEvaluatedKey": more} if more else {})
    assert parsed(plain, "Query", body, AsItComes()) == parsed(plain, "Query", body, JSONParser())


@given(items=st.lists(ITEM, max_size=3))
def test_rows_read_by_key_are_parsed_as_botocore_does(plain: Cloud, items: list[Any]) -> None:
    batch = {"Responses": {"holds": items}, "UnprocessedKeys": {"holds": {"Keys": items, "ConsistentRead": True}}}
    assert parsed(plain, "BatchGetItem", batch, AsItComes()) == parsed(plain, "BatchGetItem", batch, JSONParser())
    for item in items:
        for operation, name in (("GetItem", "Item"), ("UpdateItem", "Attributes")):
            body = {name: item}
            assert parsed(plain, operation, body, AsItComes()) == parsed(plain, operation, body, JSONParser())


@pytest.mark.parametrize("value", [{"B": "aGVsbG8="}, {"BS": ["aGVsbG8="]}, {"L": [{"B": "aGVsbG8="}]}])
def test_binary_values_are_decoded(value: Any, plain: Cloud) -> None:
    body = {"Items": [{"pk": value}], "Count": 1, "ScannedCount": 1}
    found = parsed(plain, "Query", body, AsItComes())
    assert found == parsed(plain, "Query", body, JSONParser())
    assert b"hello" in json.dumps(found, default=lambda raw: raw.decode()).encode()


def test_values_are_not_converted_one_by_one(plain: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    body = {"Items": [{"pk": {"S": "a"}}], "Count": 1, "ScannedCount": 1}
    monkeypatch.setattr(JSONParser, "_parse_shape", lambda *_: pytest.fail("botocore parses in another way now"))
    assert parsed(plain, "Query", body, AsItComes())["Items"] == [{"pk": {"S": "a"}}]


def test_every_output_taken_as_json_is_one_of_dynamodb(plain: Cloud) -> None:
    shapes = plain.dynamodb.meta.service_model.shape_names
    assert set(TAKEN_AS_JSON) <= set(shapes)


def test_other_protocols_use_botocores_parser() -> None:
    assert type(DynamoDbParserFactory().create_parser("json")) is AsItComes
    assert type(DynamoDbParserFactory().create_parser("rest-xml")).__module__ == "botocore.parsers"


def test_the_sessions_of_clouds_use_the_parser(cloud: Cloud) -> None:
    assert type(cloud.botocore_session.get_component("response_parser_factory")) is DynamoDbParserFactory
