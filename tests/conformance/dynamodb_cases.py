"""Cases of the conformance suite: calls, and what the last of them gives.

Facts that the developer guide does not state are those of the tests that ScyllaDB's Alternator runs against AWS.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.aws import attributes
from tests.conformance.dynamodb_backends import Call, Outcome

FAILED = {"error": "ConditionalCheckFailedException"}
INVALID = {"error": "ValidationException"}
KEY = {"pk": "p", "sk": "s"}
RAW_KEY = attributes.row(KEY)


@dataclass(frozen=True)
class Case:
    fact: str
    calls: tuple[Call, ...]
    gives: Outcome


def expressions(names: Mapping[str, str] | None, values: Mapping[str, Any]) -> dict[str, Any]:
    """Placeholders of a request. Values that are dictionaries of one type are attribute values already."""
    found: dict[str, Any] = {}
    if names:
        found["ExpressionAttributeNames"] = dict(names)
    if values:
        found["ExpressionAttributeValues"] = {f":{name}": packed(value) for name, value in values.items()}
    return found


def shown(**placeholders: Any) -> str:
    """`, v=1`: for the name of a case."""
    return "".join(f", {name}={value!r}" for name, value in placeholders.items())


def packed(value: Any) -> Any:
    kinds = {"S", "N", "B", "BOOL", "NULL", "L", "M", "SS", "NS", "BS"}
    return value if isinstance(value, dict) and len(value) == 1 and value.keys() <= kinds else attributes.pack(value)


def item(**values: Any) -> dict[str, Any]:
    return RAW_KEY | {name: packed(value) for name, value in values.items()}


def put(table: str = "plain", sk: str = "s", **values: Any) -> Call:
    return "PutItem", {"TableName": table, "Item": item(**values) | {"sk": {"S": sk}}}


def get(table: str = "plain", **request: Any) -> Call:
    return "GetItem", {"TableName": table, "Key": RAW_KEY, **request}


def condition(
    fact: str,
    text: str,
    gives: Outcome,
    stored: Mapping[str, Any],
    names: Mapping[str, str] | None = None,
    **values: Any,
) -> Case:
    request = {"TableName": "plain", "Key": RAW_KEY, "ConditionExpression": text, **expressions(names, values)}
    return Case(fact, (put(**stored), ("DeleteItem", request)), gives)


def holds(text: str, stored: Mapping[str, Any], names: Mapping[str, str] | None = None, /, **values: Any) -> Case:
    return condition(f"{text} holds for {stored}{shown(**(names or {}), **values)}", text, {}, stored, names, **values)


def fails(text: str, stored: Mapping[str, Any], names: Mapping[str, str] | None = None, /, **values: Any) -> Case:
    return condition(
        f"{text} fails for {stored}{shown(**(names or {}), **values)}", text, FAILED, stored, names, **values
    )


def refused(text: str, names: Mapping[str, str] | None = None, /, **values: Any) -> Case:
    return condition(
        f"condition {text!r} is invalid{shown(**(names or {}), **values)}", text, INVALID, {"a": 1}, names, **values
    )


def update(
    text: str, stored: Mapping[str, Any] | None, after: Outcome, names: Mapping[str, str] | None = None, **values: Any
) -> Case:
    """`after`: what ALL_NEW returns, or an error."""
    request = {
        "TableName": "plain",
        "Key": RAW_KEY,
        "UpdateExpression": text,
        "ReturnValues": "ALL_NEW",
        **expressions(names, values),
    }
    before = [] if stored is None else [put(**stored)]
    return Case(f"{text!r} of {stored}{shown(**(names or {}), **values)}", (*before, ("UpdateItem", request)), after)


def new(**values: Any) -> Outcome:
    return {"Attributes": dict(sorted(item(**values).items()))}


TEXT, NUMBER, BYTES = {"a": "cat"}, {"a": 7}, {"a": {"B": b"cat"}}
DOCUMENT = {"a": {"b": 1, "c": [10, {"d": "x"}]}}
NINETY_NINE = {f"v{number}": number for number in range(99)}

CONDITIONS = [
    holds("a = :v", TEXT, v="cat"),
    fails("a = :v", TEXT, v="dog"),
    fails("a = :v", NUMBER, v="7"),
    fails("a = :v", {}, v="7"),
    fails("a = b", {}),
    holds("a = b", {"a": 1, "b": {"N": "1.0"}}),
    holds("a = :v", {"a": [1, {"x": None}]}, v=[1, {"x": None}]),
    holds("a = :v", {"a": {"SS": ["y", "x"]}}, v={"SS": ["x", "y"]}),
    holds("a = :v", NUMBER, v={"N": "0.7E1"}),
    holds("a <> :v", TEXT, v="dog"),
    fails("a <> :v", TEXT, v="cat"),
    holds("a <> :v", NUMBER, v="7"),
    holds("a <> :v", {}, v=1),
    holds("a <> b", {}),
    *(holds(f"a {sign} :v", NUMBER, v=10) for sign in ("<", "<=")),
    *(fails(f"a {sign} :v", NUMBER, v=10) for sign in (">", ">=")),
    *(holds(f"a {sign} :v", NUMBER, v=7) for sign in ("<=", ">=")),
    *(fails(f"a {sign} :v", NUMBER, v=7) for sign in ("<", ">")),
    holds("a < :v", {"a": 9}, v=10),
    holds("a < :v", {"a": {"N": "-0.5"}}, v={"N": "1E-130"}),
    holds("a > :v", TEXT, v="Cat"),
    holds("a < :v", BYTES, v={"B": b"dog"}),
    fails("a < :v", NUMBER, v="8"),
    *(fails(f"a {sign} :v", {}, v=1) for sign in ("<", "<=", ">", ">=")),
    fails("a < b", {}),
    fails("a < :v", {"a": [1]}, v=2),
    refused("a < :v", v=[1]),
    refused("a < :v", v=True),
    holds("a BETWEEN :low AND :high", NUMBER, low=7, high=10),
    holds("a between :low and :high", TEXT, low="cab", high="cat"),
    fails("a BETWEEN :low AND :high", NUMBER, low=8, high=10),
    fails("a BETWEEN :low AND :high", {}, low=8, high=10),
    holds("a BETWEEN low AND high", {"a": 5, "low": 1, "high": 9}),
    fails("a BETWEEN low AND :high", {"a": 5, "low": 9}, high=1),
    refused("a BETWEEN :low AND :high", low=2, high=1),
    refused("a BETWEEN :low AND :high", low=2, high="x"),
    holds("a IN (:v, :w)", NUMBER, v="x", w=7),
    fails("a IN (:v)", NUMBER, v=8),
    fails("a IN (:v)", {}, v=8),
    holds(f"a IN ({', '.join(f':{name}' for name in NINETY_NINE)})", NUMBER, **NINETY_NINE),
    refused("a IN ()"),
    holds("attribute_exists(a)", NUMBER),
    fails("attribute_exists(a)", {}),
    fails("attribute_not_exists(a)", NUMBER),
    holds("attribute_not_exists(a)", {}),
    holds("attribute_exists(a.c[1].d)", DOCUMENT),
    fails("attribute_exists(a.c[2].d)", DOCUMENT),
    fails("attribute_exists(a.b.c)", DOCUMENT),
    refused("attribute_exists(:v)", v=1),
    holds("attribute_type(a, :v)", NUMBER, v="N"),
    holds("attribute_type(a, :v)", {"a": None}, v="NULL"),
    fails("attribute_type(a, :v)", NUMBER, v="S"),
    fails("attribute_type(a, :v)", {}, v="S"),
    refused("attribute_type(a, :v)", v="DOG"),
    refused("attribute_type(a, b)"),
    holds("begins_with(a, :v)", TEXT, v="ca"),
    fails("begins_with(a, :v)", TEXT, v="at"),
    fails("begins_with(a, :v)", NUMBER, v="7"),
    fails("begins_with(a, :v)", {}, v="7"),
    holds("begins_with(a, :v)", BYTES, v={"B": b"ca"}),
    holds("begins_with(:v, a)", TEXT, v="catalogue"),
    refused("begins_with(a, :v)", v=1),
    holds("contains(a, :v)", TEXT, v="at"),
    fails("contains(a, :v)", TEXT, v="dog"),
    holds("contains(a, :v)", {"a": {"SS": ["x", "y"]}}, v="y"),
    holds("contains(a, :v)", {"a": {"NS": ["1", "2"]}}, v={"N": "2.0"}),
    fails("contains(a, :v)", {"a": {"NS": ["1", "2"]}}, v="2"),
    holds("contains(a, :v)", {"a": [1, "x", [2]]}, v=[2]),
    fails("contains(a, :v)", {"a": [1]}, v="1"),
    fails("contains(a, :v)", {}, v="1"),
    fails("contains(a, :v)", NUMBER, v="7"),
    holds("size(a) = :v", TEXT, v=3),
    holds("size(a) = :v", {"a": {"SS": ["x", "y"]}}, v=2),
    holds("size(a) = :v", {"a": [1, 2, 3]}, v=3),
    holds("size(a) = :v", {"a": {"x": 1, "y": 2}}, v=2),
    holds("size(a) = :v", BYTES, v=3),
    holds("size(a) < :v", TEXT, v=4),
    holds("size(a) = b", {"a": "cat", "b": 3}),
    fails("size(a) = :v", {}, v=0),
    fails("size(a) < :v", {}, v=5),
    fails("size(a) = :v", NUMBER, v=1),
    fails("size(a) = :v", TEXT, v="3"),
    refused("size(a)"),
    refused("size(a, b) = :v", v=1),
    refused("attribute_exists(a) = :v", v=True),
    refused("dog(a) = :v", v=1),
    refused("BEGINS_WITH(a, :v)", v="x"),
    refused("if_not_exists(a, b) = :v", v=1),
    holds("a = :v AND b = :w", {"a": 1, "b": 2}, v=1, w=2),
    fails("a = :v AND b = :w", {"a": 1, "b": 2}, v=1, w=3),
    holds("a = :v OR b = :w", {"a": 1, "b": 2}, v=1, w=3),
    holds("a = :v or b = :w aNd b = :x", {"a": 1, "b": 2}, v=1, w=3, x=4),
    fails("(a = :v OR b = :w) AND b = :x", {"a": 1, "b": 2}, v=1, w=3, x=4),
    holds("NOT a = :v", {"a": 1}, v=2),
    holds("NOT NOT a = :v", {"a": 1}, v=1),
    fails("NOT a = :v AND b = :w", {"a": 1, "b": 2}, v=2, w=3),
    holds("NOT (a = :v AND b = :w)", {"a": 1, "b": 2}, v=1, w=3),
    holds("a BETWEEN :low AND :high AND b = :w", {"a": 1, "b": 2}, low=0, high=5, w=2),
    holds("(a) = (:v)", {"a": 1}, v=1),
    holds("(size(a)) > :v", TEXT, v=1),
    holds("(a = :v) AND (b = :w)", {"a": 1, "b": 2}, v=1, w=2),
    refused("((a = :v))", v=1),
    refused("a = a"),
    refused("contains(a, a)"),
    holds("#a.#b = :v", DOCUMENT, {"#a": "a", "#b": "b"}, v=1),
    holds("#a = :v", {"x.y": 1}, {"#a": "x.y"}, v=1),
    holds("a.c[0] < :v", DOCUMENT, v=11),
    holds("a = :v", {"a": True}, v=True),
    fails("a = :v", {"a": True}, v=1),
    holds("pk = :v", {}, v="p"),
    refused(""),
    refused("a"),
    refused("a ="),
    refused("a = :v :v", v=1),
    refused("a != :v", v=1),
    refused("a = 5"),
    refused("_a = :v", v=1),
    refused("a[:v] = :v", v=1),
    refused("state = :v", v=1),
    refused("a.status = :v", v=1),
    refused("#a = :v", v=1),
    refused("#a = :v", {"#b": "b"}, v=1),
    refused("a = :w", v=1),
    refused("a = :v", v=1, w=1),
    refused("a = :v", {"#a": "a"}, v=1),
    refused("a = :v", {"a": "a"}, v=1),
]

UPDATES = [
    update("SET a = :v", {"b": 1}, new(a=2, b=1), v=2),
    update("set a = :v", {}, new(a=2), v=2),
    update("SET a = :v", None, new(a=2), v=2),
    update("SET a = b", {"b": 1}, new(a=1, b=1)),
    update("SET a = b", {}, INVALID),
    update("SET a = b", None, INVALID),
    update("SET a = b, b = a", {"a": 1, "b": 2}, new(a=2, b=1)),
    update("SET a = :v, b = a", {}, INVALID, v=1),
    update("SET a = a + :v", {"a": 1}, new(a=3), v=2),
    update("SET a = a - :v", {"a": 1}, new(a=-1), v=2),
    update("SET a = :v + a", {"a": 1}, new(a=3), v=2),
    update("SET a = a + :v", {}, INVALID, v=2),
    update("SET a = a + :v", {"a": "x"}, INVALID, v=2),
    update("SET a = a + :v", {"a": 1}, INVALID, v="2"),
    update("SET a = :v + :v + :v", {}, INVALID, v=1),
    update("SET a = a + :v", {"a": {"N": "0.1"}}, new(a={"N": "0.3"}), v={"N": "0.2"}),
    update("SET a = a + :v", {"a": {"N": "1E22"}}, new(a={"N": "10000000000000000000001"}), v=1),
    update("SET a = a + :v", {"a": {"N": "1E50"}}, INVALID, v=1),
    update("SET a = a + :v", {"a": {"N": "9E125"}}, INVALID, v={"N": "9E125"}),
    update("SET a = if_not_exists(a, :v)", {}, new(a=1), v=1),
    update("SET a = if_not_exists(a, :v)", {"a": 5}, new(a=5), v=1),
    update("SET a = if_not_exists(a, :v) + :w", {"a": 5}, new(a=7), v=1, w=2),
    update("SET a = if_not_exists(a, :v) + :w", {}, new(a=3), v=1, w=2),
    update("SET a = if_not_exists(b, if_not_exists(c, :v))", {"c": 3}, new(a=3, c=3), v=1),
    update("SET a = if_not_exists(a.b, :v)", {}, new(a=1), v=1),
    update("SET a = if_not_exists(:w, :v)", {}, INVALID, v=1, w=1),
    update("SET a = if_not_exists(b, c)", {"b": 1}, new(a=1, b=1)),
    update("SET a = list_append(a, :v)", {"a": [1]}, new(a=[1, 2]), v=[2]),
    update("SET a = list_append(:v, a)", {"a": [1]}, new(a=[2, 1]), v=[2]),
    update("SET a = list_append(if_not_exists(a, :v), :w)", {}, new(a=[2]), v=[], w=[2]),
    update("SET a = list_append(a, :v)", {}, INVALID, v=[2]),
    update("SET a = list_append(a, :v)", {"a": 1}, INVALID, v=[2]),
    update("SET a = list_append(a, :v)", {"a": [1]}, INVALID, v=2),
    update("SET a = list_append(:v)", {}, INVALID, v=[2]),
    update("SET a = list_append(list_append(:v, :v), :v)", {}, INVALID, v=[2]),
    update("SET a = size(b)", {"b": "x"}, INVALID),
    update("SET a = f(b)", {"b": "x"}, INVALID),
    update("SET a = :v", {}, new(a=[]), v=[]),
    update("SET a = :v", {}, new(a=""), v=""),
    update("SET a = :v", {}, INVALID, v={"SS": []}),
    update("REMOVE a", {"a": 1, "b": 2}, new(b=2)),
    update("REMOVE a", {"b": 2}, new(b=2)),
    update("REMOVE a, b SET c = :v", {"a": 1, "b": 2}, new(c=1), v=1),
    update("REMOVE a SET b = a", {"a": 1}, new(b=1)),
    update("REMOVE a", None, {}),
    update("ADD a :v", {"a": 1}, new(a=3), v=2),
    update("ADD a :v", {}, new(a=2), v=2),
    update("ADD a :v", None, new(a=2), v=2),
    update("ADD a :v", {"a": "x"}, INVALID, v=2),
    update("ADD a :v", {}, INVALID, v="x"),
    update("ADD a :v", {"a": [1]}, INVALID, v=[2]),
    update("ADD a :v", {"a": {"SS": ["x"]}}, new(a={"SS": ["x", "y"]}), v={"SS": ["x", "y"]}),
    update("ADD a :v", {}, new(a={"SS": ["x"]}), v={"SS": ["x"]}),
    update("ADD a :v", {"a": {"NS": ["1"]}}, new(a={"NS": ["1", "2"]}), v={"NS": ["1.0", "2"]}),
    update("ADD a :v", {"a": {"NS": ["1"]}}, INVALID, v={"SS": ["1"]}),
    update("ADD a.b :v", DOCUMENT, new(a={"b": 3, "c": [10, {"d": "x"}]}), v=2),
    update("ADD a.n :v", {"a": {}}, new(a={"n": 2}), v=2),
    update("DELETE a :v", {"a": {"SS": ["x", "y"]}}, new(a={"SS": ["y"]}), v={"SS": ["x", "z"]}),
    update("DELETE a :v", {"a": {"SS": ["x"]}}, new(), v={"SS": ["x"]}),
    update("DELETE a :v", {}, new(), v={"SS": ["x"]}),
    update("DELETE a :v", None, {}, v={"SS": ["x"]}),
    update("DELETE a :v", {"a": 1}, INVALID, v={"SS": ["x"]}),
    update("DELETE a :v", {"a": {"SS": ["x"]}}, INVALID, v="x"),
    update(
        "SET a = :v REMOVE b ADD c :v DELETE d :s", {"b": 1, "d": {"SS": ["x"]}}, new(a=1, c=1), v=1, s={"SS": ["x"]}
    ),
    update("SET a.b = :v", DOCUMENT, new(a={"b": 2, "c": [10, {"d": "x"}]}), v=2),
    update("SET a.n = :v", DOCUMENT, new(a={"b": 1, "c": [10, {"d": "x"}], "n": 2}), v=2),
    update("SET a.c[1].d = :v, a.c[0] = :v", DOCUMENT, new(a={"b": 1, "c": [2, {"d": 2}]}), v=2),
    update("SET a[1] = :v", {"a": [1, 2, 3]}, new(a=[1, 9, 3]), v=9),
    update("SET a[7] = :v, a[5] = :w", {"a": [1]}, new(a=[1, 5, 7]), v=7, w=5),
    update("REMOVE a[1]", {"a": [1, 2, 3]}, new(a=[1, 3])),
    update("REMOVE a[0], a[2]", {"a": [1, 2, 3]}, new(a=[2])),
    update("REMOVE a[1] SET a[3] = :v", {"a": [2, 3, 4, 5]}, new(a=[2, 4, 9]), v=9),
    update("REMOVE a[9]", {"a": [1]}, new(a=[1])),
    update("REMOVE a.b", {"a": {"b": 1}}, new(a={})),
    update("REMOVE a.x", {"a": {"b": 1}}, new(a={"b": 1})),
    update("REMOVE a.x", {}, INVALID),
    update("REMOVE a[0]", {"a": "x"}, INVALID),
    update("REMOVE a.x", None, {}),
    update("SET a.x = :v", {}, INVALID, v=1),
    update("SET a.x = :v", {"a": "text"}, INVALID, v=1),
    update("SET a.x = :v", {"a": [1]}, INVALID, v=1),
    update("SET a[0] = :v", {"a": {}}, INVALID, v=1),
    update("SET a[0] = :v", None, INVALID, v=1),
    update("SET #a.#b = :v", DOCUMENT, new(a={"b": 2, "c": [10, {"d": "x"}]}), {"#a": "a", "#b": "b"}, v=2),
    update("SET #a = :v", {}, new(**{"x.y": 1}), {"#a": "x.y"}, v=1),
    update("SET a = (:v)", {}, new(a=1), v=1),
    update("SET a = (b + :v)", {"b": 1}, new(a=2, b=1), v=1),
    *(
        update(text, {"a": {"b": [1, 2]}}, INVALID, v=1)
        for text in (
            *("SET a = :v, a = :v", "SET a = :v REMOVE a", "SET a = :v, a.b = :v", "SET a.b[0] = :v, a.b = :v"),
            *("SET a.b = :v, a[0] = :v", "SET a = :v SET b = :v", "a = :v", "SET a = :v,", "SET :v = :v"),
            *("HELLO a = :v", "SET state = :v", "SET a = :w", "SET #a = :v", "SET a :v", "ADD a = :v", "REMOVE :v"),
            *("SET pk = :v", "REMOVE sk", "ADD pk :v", "SET a == :v", "SET a-b = :v", "SET _a = :v"),
        )
    ),
    update("", {}, INVALID),
    update("SET #a = :v, #b = :v", {}, INVALID, {"#a": "x", "#b": "x"}, v=1),
    update("SET a = :v", {}, INVALID, v=1, w=1),
    update("SET a = :v", {}, INVALID, {"#a": "a"}, v=1),
]

CASES = [*CONDITIONS, *UPDATES]
