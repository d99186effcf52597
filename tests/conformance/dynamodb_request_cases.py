"""Cases of the conformance suite about requests: values, keys, projections, queries, batches, transactions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shared.aws import attributes
from tests.conformance.dynamodb_backends import Call, Outcome
from tests.conformance.dynamodb_cases import FAILED, INVALID, KEY, RAW_KEY, Case, expressions, get, item, put, shown

MISSING_TABLE = {"error": "ResourceNotFoundException"}


def stored(fact: str, value: Mapping[str, Any], read: Mapping[str, Any] | None) -> Case:
    """A value that is put; `read`: how it is read back, None where it is refused."""
    write = "PutItem", {"TableName": "plain", "Item": {**RAW_KEY, "a": value}}
    if read is None:
        return Case(f"{fact} is refused", (write,), INVALID)
    return Case(f"{fact} is stored", (write, get()), {"Item": dict(sorted({**RAW_KEY, "a": read}.items()))})


def number(text: str, canonical: str | None) -> Case:
    return stored(f"number {text!r}", {"N": text}, None if canonical is None else {"N": canonical})


VALUES = [
    *(number(text, text) for text in ("0", "5", "-5", "1.5", "-0.001", "1234567890123456789012345678901234567")),
    number("12345678901234567890123456789012345678", "12345678901234567890123456789012345678"),
    *(number(text, read) for text, read in (("+5", "5"), ("1.50", "1.5"), ("007", "7"), (".5", "0.5"), ("-0", "0"))),
    *(number(text, read) for text, read in (("1E3", "1000"), ("1e-7", "0.0000001"), ("1e+22", f"1{'0' * 22}"))),
    *(number(text, read) for text, read in (("1.0", "1"), ("-17.4E37", f"-174{'0' * 36}"), ("0e1000", "0"))),
    number("9.9999E125", f"99999{'0' * 121}"),
    number("1E-130", f"0.{'0' * 129}1"),
    *(
        number(text, None)
        for text in ("", "dog", " 1", "1 ", "NaN", "Infinity", "1E126", "1E-131", "1,5", "0x1", "1_0")
    ),
    number("123456789012345678901234567890123456789", None),
    stored("an empty string", {"S": ""}, {"S": ""}),
    stored("empty binary", {"B": b""}, {"B": b""}),
    stored("binary", {"B": b"\x00\xff"}, {"B": b"\x00\xff"}),
    stored("an empty list", {"L": []}, {"L": []}),
    stored("an empty map", {"M": {}}, {"M": {}}),
    stored("null", {"NULL": True}, {"NULL": True}),
    stored("a set of numbers", {"NS": ["2", "1.0"]}, {"NS": ["1", "2"]}),
    stored("a set of binary", {"BS": [b"b", b"a"]}, {"BS": [b"a", b"b"]}),
    stored("an empty set of strings", {"SS": []}, None),
    stored("an empty set of numbers", {"NS": []}, None),
    stored("a set with an empty string", {"SS": ["", "x"]}, {"SS": ["", "x"]}),
    stored("a set of strings with duplicates", {"SS": ["x", "x"]}, None),
    stored("a set of numbers with duplicates", {"NS": ["1", "1.0"]}, None),
    stored("a nested value that is empty", {"L": [{"SS": []}]}, None),
    stored("a nested number", {"M": {"n": {"L": [{"N": "1.0"}]}}}, {"M": {"n": {"L": [{"N": "1"}]}}}),
]


def write(operation: str, gives: Outcome, fact: str, table: str = "plain", **request: Any) -> Case:
    return Case(fact, ((operation, {"TableName": table, **request}),), gives)


LONG = "x" * 1025
BAD_KEYS: dict[str, dict[str, Any]] = {
    "without a sort key": {"pk": {"S": "p"}},
    "with another attribute": {**RAW_KEY, "a": {"S": "x"}},
    "with a number": {**RAW_KEY, "sk": {"N": "1"}},
    "with an empty partition key": {**RAW_KEY, "pk": {"S": ""}},
    "with an empty sort key": {**RAW_KEY, "sk": {"S": ""}},
    "with a long partition key": {**RAW_KEY, "pk": {"S": LONG * 2}},
    "with a long sort key": {**RAW_KEY, "sk": {"S": LONG}},
}
BAD_INDEX_KEYS = {"a number": {"N": "1"}, "an empty string": {"S": ""}, "null": {"NULL": True}}

KEYS = [
    *(write("GetItem", INVALID, f"GetItem {why} is refused", Key=key) for why, key in BAD_KEYS.items()),
    *(write("DeleteItem", INVALID, f"DeleteItem {why} is refused", Key=key) for why, key in BAD_KEYS.items()),
    *(write("UpdateItem", INVALID, f"UpdateItem {why} is refused", Key=key) for why, key in BAD_KEYS.items()),
    *(
        write("PutItem", INVALID, f"PutItem {why} is refused", Item=key)
        for why, key in BAD_KEYS.items()
        if why != "with another attribute"
    ),
    *(
        write(
            "PutItem",
            INVALID,
            f"PutItem with {why} as an index key is refused",
            "indexed",
            Item={**RAW_KEY, "due": value},
        )
        for why, value in BAD_INDEX_KEYS.items()
    ),
    *(
        write(
            "UpdateItem",
            INVALID,
            f"UpdateItem to {why} as an index key is refused",
            "indexed",
            Key=RAW_KEY,
            UpdateExpression="SET due = :v",
            ExpressionAttributeValues={":v": value},
        )
        for why, value in BAD_INDEX_KEYS.items()
    ),
    write("UpdateItem", {}, "UpdateItem without an expression creates the item", Key=RAW_KEY),
    write("GetItem", {}, "GetItem of a missing item has no Item", Key=RAW_KEY),
    write("DeleteItem", {}, "DeleteItem of a missing item succeeds", Key=RAW_KEY),
    *(
        write(operation, MISSING_TABLE, f"{operation} of a missing table is refused", "none", **{parameter: RAW_KEY})
        for operation, parameter in (
            ("GetItem", "Key"),
            ("PutItem", "Item"),
            ("UpdateItem", "Key"),
            ("DeleteItem", "Key"),
        )
    ),
]


def returned(operation: str, returns: str, gives: Outcome, before: Sequence[Call] = (), **request: Any) -> Case:
    parameter = {"Item": item(a=2)} if operation == "PutItem" else {"Key": RAW_KEY}
    call = operation, {"TableName": "plain", **parameter, "ReturnValues": returns, **request}
    stands = "an item" if before else "nothing"
    text = request.get("UpdateExpression", "")
    return Case(f"{operation} {text!r} of {stands} with ReturnValues {returns}", (*before, call), gives)


def changed(returns: str, text: str, gives: Mapping[str, Any] | None, **values: Any) -> Case:
    before = [put(a={"b": "dog", "c": [1, 2, 3]}, d="cat")]
    outcome = {} if gives is None else {"Attributes": {name: attributes.pack(value) for name, value in gives.items()}}
    return returned("UpdateItem", returns, outcome, before, UpdateExpression=text, **expressions(None, values))


OLD = {"Attributes": dict(sorted(item(a=1).items()))}
RETURNED = [
    *(returned(operation, "NONE", {}, [put(a=1)]) for operation in ("PutItem", "UpdateItem", "DeleteItem")),
    *(returned(operation, "ALL_OLD", OLD, [put(a=1)]) for operation in ("PutItem", "UpdateItem", "DeleteItem")),
    *(returned(operation, "ALL_OLD", {}) for operation in ("PutItem", "UpdateItem", "DeleteItem")),
    *(
        returned(operation, returns, INVALID, [put(a=1)])
        for operation in ("PutItem", "DeleteItem")
        for returns in ("ALL_NEW", "UPDATED_OLD", "UPDATED_NEW", "none", "DOG")
    ),
    returned("UpdateItem", "DOG", INVALID),
    returned("UpdateItem", "ALL_NEW", {"Attributes": RAW_KEY}),
    changed("UPDATED_OLD", "SET d = :v, e = :v", {"d": "cat"}, v=1),
    changed("UPDATED_OLD", "SET e = :v", None, v=1),
    changed("UPDATED_OLD", "REMOVE d", {"d": "cat"}),
    changed("UPDATED_OLD", "SET a.b = :v", {"a": {"b": "dog"}}, v=1),
    changed("UPDATED_OLD", "SET a.c[1] = :v, a.b = :v", {"a": {"b": "dog", "c": [2]}}, v=1),
    changed("UPDATED_OLD", "REMOVE a.c[1], a.c[9]", {"a": {"c": [2]}}),
    changed("UPDATED_NEW", "SET d = :v, e = :v", {"d": 1, "e": 1}, v=1),
    changed("UPDATED_NEW", "REMOVE d", None),
    changed("UPDATED_NEW", "SET e = :v REMOVE d", {"e": 1}, v=1),
    changed("UPDATED_NEW", "SET a.b = :v", {"a": {"b": 1}}, v=1),
    changed("UPDATED_NEW", "SET a.c[1] = :v", {"a": {"c": [1]}}, v=1),
    changed("UPDATED_NEW", "SET a.c[9] = :v", None, v=1),
    changed("UPDATED_NEW", "REMOVE a.c[1]", {"a": {"c": [3]}}),
]


def failing(operation: str, gives: Outcome, before: Sequence[Call], returns: str | None = "ALL_OLD") -> Case:
    parameter = {"Item": item(a=2)} if operation == "PutItem" else {"Key": RAW_KEY}
    request = {"TableName": "plain", **parameter, "ConditionExpression": "a = :v", **expressions(None, {"v": 9})}
    if returns:
        request["ReturnValuesOnConditionCheckFailure"] = returns
    fact = f"a failed condition of {operation} of {len(before)} items with {returns}"
    return Case(fact, (*before, (operation, request)), gives)


WRITES = ("PutItem", "UpdateItem", "DeleteItem")
FAILED_CONDITIONS = [
    *(failing(operation, {**FAILED, "item": item(a=1)}, [put(a=1)]) for operation in WRITES),
    *(failing(operation, FAILED, []) for operation in WRITES),
    *(failing(operation, FAILED, [put(a=1)], "NONE") for operation in WRITES),
    *(failing(operation, FAILED, [put(a=1)], None) for operation in WRITES),
]


def projected(text: str, gives: Mapping[str, Any] | None, names: Mapping[str, str] | None = None) -> Case:
    """`gives`: the item; None where the projection is invalid."""
    document: dict[str, Any] = {"a": {"b": [2, 4, {"x": "hi", "y": "yo"}], "c": 5}, "d": "hello", "a.b": "dotted"}
    request = {"ProjectionExpression": text, **expressions(names, {})}
    outcome = INVALID if gives is None else {"Item": {name: attributes.pack(gives[name]) for name in sorted(gives)}}
    return Case(f"projection {text!r}{shown(**(names or {}))}", (put(**document), get(**request)), outcome)


PROJECTIONS = [
    projected("d", {"d": "hello"}),
    projected("pk, sk, d", {**KEY, "d": "hello"}),
    projected(" d  ,   pk  ", {"pk": "p", "d": "hello"}),
    projected("absent", {}),
    projected("a.c", {"a": {"c": 5}}),
    projected("a.b[0]", {"a": {"b": [2]}}),
    projected("a.b[2].y", {"a": {"b": [{"y": "yo"}]}}),
    projected("a.b[2].y, a.b[0], a.c", {"a": {"b": [2, {"y": "yo"}], "c": 5}}),
    projected("a.b[1], a.b[0]", {"a": {"b": [2, 4]}}),
    *(projected(text, {}) for text in ("a.b[3]", "a.x", "a.x.y", "a.b.x", "a[0]", "a.b[0].x", "a.b[0][0]", "d.x")),
    projected("#d", {"d": "hello"}, {"#d": "d"}),
    projected("#a.#b[0]", {"a": {"b": [2]}}, {"#a": "a", "#b": "b"}),
    projected("#dotted", {"a.b": "dotted"}, {"#dotted": "a.b"}),
    projected("#d", None, {"#e": "d"}),
    projected("#d", None, {"#d": "d", "#e": "e"}),
    projected("#d", None),
    *(projected(text, None) for text in ("", "d,", ",d", "d,,d", "d d", "d, d", "a, a.b", "a.b, a.b[0]", "a.b, a[0]")),
    projected("status", None),
    projected(":d", None),
]

CASES = [*VALUES, *KEYS, *RETURNED, *FAILED_CONDITIONS, *PROJECTIONS]
