"""Any sequence of writes and queries leaves DynamoDB in memory as it leaves moto.

The forms are those in which moto does what AWS does; tests/conformance/dynamodb_deviations.py lists the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from moto import mock_aws

from shared.aws import attributes
from tests.conformance.dynamodb_backends import Call, RemoteDatabase, memory, ordered, outcome
from tests.conformance.dynamodb_cases import INVALID

TEXTS, NUMBERS = some.sampled_from(["", "x", "xy", "é"]), some.integers(-3, 12)
VALUES: dict[str, some.SearchStrategy[Any]] = {
    "n": NUMBERS,
    "t": TEXTS,
    "s": some.frozensets(some.sampled_from("xyz"), min_size=1),
    "l": some.lists(NUMBERS, max_size=2),
    "m": some.fixed_dictionaries({"x": NUMBERS}, optional={"y": TEXTS}),
    "due": some.sampled_from(["00", "01"]),
    "due_at": some.sampled_from(["1", "2", "3"]),
}
KEYS = some.fixed_dictionaries({"pk": some.sampled_from("pq"), "sk": some.sampled_from("abc")}).map(attributes.row)
ITEMS = some.fixed_dictionaries({}, optional=VALUES).map(attributes.row)


@some.composite
def condition(draw: some.DrawFn, values: dict[str, Any], depth: int = 2) -> str:
    """A condition whose values are added to `values`."""

    def value(name: str) -> str:
        placeholder = f":c{len(values)}"
        values[placeholder] = attributes.pack(draw(VALUES[name]))
        return placeholder

    if depth and draw(some.booleans()):
        if draw(some.booleans()):
            return f"NOT ({draw(condition(values, depth - 1))})"
        left, right = draw(condition(values, 0)), draw(condition(values, depth - 1))
        return draw(some.sampled_from([f"{left} AND {right}", f"{left} OR ({right})"]))
    name = draw(some.sampled_from(sorted(VALUES)))
    form = draw(some.sampled_from(["exists", "absent", "equal", "order", "between", "text", "in"]))
    match form:
        case "exists":
            return f"attribute_exists({name})"
        case "absent":
            return f"attribute_not_exists({name})"
        case "equal":
            return f"{name} {draw(some.sampled_from(['=', '<>']))} {value(name)}"
        case "in":
            return f"{name} IN ({value(name)}, {value(name)})"
        case "order":
            return f"n {draw(some.sampled_from(['<', '<=', '>', '>=']))} {value('n')}"
        case "between":
            low, high = sorted((draw(NUMBERS), draw(NUMBERS)))
            values[f":low{len(values)}"], values[f":high{len(values)}"] = {"N": str(low)}, {"N": str(high)}
            return f"n BETWEEN {[*values][-2]} AND {[*values][-1]}"
    return draw(some.sampled_from(["begins_with(t, {})", "contains(t, {})", "contains(s, {})"])).format(value("t"))


@some.composite
def update(draw: some.DrawFn, values: dict[str, Any]) -> str:
    """An update expression with at most one action for each attribute."""

    def value(name: str) -> str:
        placeholder = f":u{len(values)}"
        values[placeholder] = attributes.pack(draw(VALUES[name]))
        return placeholder

    sets, sections = [f"v = {value('n')}"], dict[str, list[str]]()
    for name in draw(some.sets(some.sampled_from(sorted(VALUES)))):
        forms = ["set", "if_not_exists", "REMOVE"]
        forms += {"n": ["sum", "difference", "ADD"], "s": ["ADD", "DELETE"], "l": ["append"], "m": ["member"]}.get(
            name, []
        )
        match draw(some.sampled_from(forms)):
            case "set":
                sets.append(f"{name} = {value(name)}")
            case "if_not_exists":
                sets.append(f"{name} = if_not_exists({name}, {value(name)})")
            case "sum":
                sets.append(f"n = n + {value('n')}")
            case "difference":
                sets.append(f"n = if_not_exists(n, {value('n')}) - {value('n')}")
            case "append":
                sets.append(f"l = list_append(if_not_exists(l, {value('l')}), {value('l')})")
            case "member":
                sets.append(f"m.x = {value('n')}")
            case "REMOVE":
                sections.setdefault("REMOVE", []).append(name)
            case section:
                sections.setdefault(section, []).append(f"{name} {value(name)}")
    return " ".join([f"SET {', '.join(sets)}", *(f"{name} {', '.join(of)}" for name, of in sections.items())])


@some.composite
def write(draw: some.DrawFn) -> dict[str, Any]:
    """A write of a transaction, on the table with indexes."""
    kind = draw(some.sampled_from(["Put", "Update", "Delete"]))
    key, values = draw(KEYS), dict[str, Any]()
    request: dict[str, Any] = {"TableName": "indexed", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    request |= {"Item": key | draw(ITEMS)} if kind == "Put" else {"Key": key}
    if draw(some.booleans()):
        request["ConditionExpression"] = draw(condition(values))
    if kind == "Update":
        request["UpdateExpression"] = draw(update(values))
    if values:
        request["ExpressionAttributeValues"] = values
    return {kind: request}


@some.composite
def call(draw: some.DrawFn) -> Call:
    kind = draw(some.sampled_from(["single", "single", "single", "transaction", "batch", "query", "index"]))
    values: dict[str, Any] = {}
    request: dict[str, Any] = {"TableName": "indexed", "ExpressionAttributeValues": values}
    match kind:
        case "single":
            [(operation, single)] = draw(write()).items()
            returned = ["NONE", "ALL_OLD"] + (["ALL_NEW"] if operation == "Update" else [])
            return f"{operation}Item", {**single, "ReturnValues": draw(some.sampled_from(returned))}
        case "transaction":
            return "TransactWriteItems", {"TransactItems": draw(some.lists(write(), min_size=1, max_size=3))}
        case "batch":
            puts = draw(
                some.lists(KEYS, min_size=1, max_size=3, unique_by=lambda key: (key["pk"]["S"], key["sk"]["S"]))
            )
            return "BatchWriteItem", {"RequestItems": {"indexed": [{"PutRequest": {"Item": key}} for key in puts]}}
        case "query":
            terms = {"": {}, " AND sk > :v": {":v": {"S": "a"}}, " AND begins_with(sk, :v)": {":v": {"S": "b"}}}
            text = draw(some.sampled_from(sorted(terms)))
            values |= {":pk": {"S": draw(some.sampled_from("pq"))}, **terms[text]}
            request |= {"KeyConditionExpression": f"pk = :pk{text}", "ScanIndexForward": draw(some.booleans())}
            if draw(some.booleans()):
                request["FilterExpression"] = draw(condition(values))
            return "Query", request
    values |= {":due": {"S": "00"}, ":until": {"S": draw(VALUES["due_at"])}}
    return "Query", {**request, "KeyConditionExpression": "due = :due AND due_at <= :until", "IndexName": "due"}


@pytest.fixture(scope="module")
def moto_client() -> Iterator[Any]:
    import boto3

    with mock_aws():
        yield boto3.Session("testing", "testing", region_name="us-east-1").client("dynamodb")


@settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
@given(calls=some.lists(call(), min_size=1, max_size=15))
def test_a_sequence_of_calls_has_the_same_results(calls: list[Call], moto_client: Any) -> None:
    database, other = memory(), RemoteDatabase(moto_client)
    for operation, request in calls:
        found, expected = outcome(database, operation, request), outcome(other, operation, request)
        assert comparable(found, request) == comparable(expected, request), (operation, request)
    stored = other.client.scan(TableName=other.names["indexed"])["Items"]
    assert database.rows("indexed") == ordered(sorted(stored, key=lambda item: (item["pk"]["S"], item["sk"]["S"])))


def comparable(result: dict[str, Any], request: Any) -> dict[str, Any]:
    if any(reason["Code"] == "ValidationError" for reason in result.get("reasons", [])):
        # moto refuses the transaction instead of cancelling it.
        return INVALID
    if "IndexName" in request and "Items" in result:
        # Rows of an index with the same key have no order.
        return {**result, "Items": sorted(result["Items"], key=lambda item: (item["due_at"]["S"], repr(item)))}
    return result
