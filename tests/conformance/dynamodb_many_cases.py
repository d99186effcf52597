"""Cases of the conformance suite about several items: queries, batches, transactions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shared.aws import attributes
from tests.conformance.dynamodb_backends import Call, Outcome
from tests.conformance.dynamodb_cases import INVALID, RAW_KEY, Case, expressions, get, put, shown

SORTED = ("a1", "a2", "b1", "b2", "é", "中", "𝄞")


def row(sk: str, **values: Any) -> dict[str, Any]:
    return dict(sorted(attributes.row({"pk": "p", "sk": sk, **values}).items()))


def query(
    fact: str,
    rows: Sequence[Call],
    text: str,
    gives: Outcome,
    table: str = "plain",
    names: Mapping[str, str] | None = None,
    values: Mapping[str, Any] | None = None,
    **request: Any,
) -> Case:
    placeholders = expressions(names, {"pk": "p"} if values is None else values)
    call = "Query", {"TableName": table, "KeyConditionExpression": text, **placeholders, **request}
    return Case(fact, (*rows, call), gives)


def found(*items: Any, scanned: int | None = None, last: Any = None) -> Outcome:
    count = {"Count": len(items), "Items": list(items), "ScannedCount": len(items) if scanned is None else scanned}
    return count if last is None else {**count, "LastEvaluatedKey": last}


def in_range(text: str, *names: str, **values: Any) -> Case:
    rows = [put(sk=sk) for sk in reversed(SORTED)]
    fact = f"a query with {text} and {values} finds {list(names)}"
    return query(fact, rows, text, found(*map(row, names)), values={"pk": "p", **values})


def page(*names: str, limit: int, start: str = "", last: str = "", forward: bool = True) -> Case:
    rows = [put(sk=sk) for sk in ("a", "b", "c", "d")]
    request: dict[str, Any] = {"Limit": limit, "ScanIndexForward": forward}
    if start:
        request["ExclusiveStartKey"] = row(start)
    fact = f"a page of {limit} after {start!r} has {list(names)}, forward: {forward}"
    return query(fact, rows, "pk = :pk", found(*map(row, names), last=row(last) if last else None), **request)


def invalid_query(text: str, **more: Any) -> Case:
    placeholders = shown(**more.get("names", {}), **more.get("values", {}))
    return query(f"key condition {text!r} is invalid{placeholders}", [], text, INVALID, **more)


TWO = {"pk": "p", "v": "x"}
QUERIES = [
    in_range("pk = :pk", *SORTED),
    in_range("sk = :v AND pk = :pk", "a2", v="a2"),
    in_range("pk = :pk AND sk < :v", "a1", "a2", v="b1"),
    in_range("pk = :pk AND sk <= :v", "a1", "a2", "b1", v="b1"),
    in_range("pk = :pk AND sk > :v", "é", "中", "𝄞", v="b2"),
    in_range("pk = :pk AND sk >= :v", "b2", "é", "中", "𝄞", v="b2"),
    in_range("pk = :pk AND sk BETWEEN :v AND :w", "a2", "b1", v="a2", w="b1"),
    in_range("pk = :pk AND begins_with(sk, :v)", "b1", "b2", v="b"),
    in_range("pk = :pk AND begins_with(sk, :v)", v="x"),
    in_range("(pk = :pk) AND (sk = :v)", "a2", v="a2"),
    query("a partition that does not exist is empty", [put()], "pk = :pk", found(), values={"pk": "q"}),
    query("placeholders name keys", [put()], "#k = :pk", found(row("s")), names={"#k": "pk"}),
    query("a query counts", [put(), put(sk="t")], "pk = :pk", {"Count": 2, "ScannedCount": 2}, Select="COUNT"),
    query("a query may be consistent", [put()], "pk = :pk", found(row("s")), ConsistentRead=True),
    page("a", "b", limit=2, last="b"),
    page("c", "d", limit=3, start="b"),
    page("d", "c", limit=2, last="c", forward=False),
    page("b", "a", limit=3, start="c", forward=False),
    page(limit=2, start="d"),
    page("c", "d", limit=2, start="bb", last="d"),
    page("a", "b", "c", "d", limit=4, last="d"),
    *(
        query(
            f"a filter applies after the limit {limit}",
            [put(sk=sk, n=number) for number, sk in enumerate("abcd")],
            "pk = :pk",
            gives,
            values={"pk": "p", "n": 2},
            FilterExpression="n >= :n",
            Limit=limit,
        )
        for limit, gives in (
            (2, found(scanned=2, last=row("b"))),
            (3, found(row("c", n=2), scanned=3, last=row("c"))),
            (9, found(row("c", n=2), row("d", n=3), scanned=4)),
        )
    ),
    query(
        "a projection of a query",
        [put(n=1)],
        "pk = :pk",
        found({"n": {"N": "1"}}),
        names={"#n": "n"},
        ProjectionExpression="#n",
    ),
    query(
        "a filter on a key attribute is refused",
        [put()],
        "pk = :pk",
        INVALID,
        values=TWO,
        FilterExpression="sk = :v",
    ),
    query(
        "a start in another partition is refused",
        [],
        "pk = :pk",
        INVALID,
        ExclusiveStartKey={**RAW_KEY, "pk": {"S": "q"}},
    ),
    query("a start without a sort key is refused", [], "pk = :pk", INVALID, ExclusiveStartKey={"pk": {"S": "p"}}),
    query("a query of a missing table is refused", [], "pk = :pk", {"error": "ResourceNotFoundException"}, "none"),
    query("a missing index is refused", [], "pk = :pk", INVALID, IndexName="none"),
    invalid_query("sk = :pk"),
    invalid_query("pk > :pk"),
    invalid_query("begins_with(pk, :pk)"),
    invalid_query("pk = :pk AND other = :v", values=TWO),
    invalid_query("pk = :pk AND sk <> :v", values=TWO),
    invalid_query("pk = :pk AND sk IN (:v)", values=TWO),
    invalid_query("pk = :pk OR sk = :v", values=TWO),
    invalid_query("NOT pk = :pk"),
    invalid_query("pk = :pk AND NOT sk = :v", values=TWO),
    invalid_query("pk = :pk AND contains(sk, :v)", values=TWO),
    invalid_query("pk = :pk AND attribute_exists(sk)"),
    invalid_query("pk = :pk AND sk > :v AND sk < :w", values={**TWO, "w": "y"}),
    invalid_query("pk = :pk AND sk.a = :v", values=TWO),
    invalid_query("pk = sk", values={}),
    invalid_query("pk"),
    invalid_query(""),
    invalid_query("pk = :pk", values={"pk": 1}),
    invalid_query("pk = :pk", values={"pk": ""}),
    invalid_query("pk = :pk AND sk = :v", values={"pk": "p", "v": 1}),
    invalid_query("pk = :pk AND sk BETWEEN :v AND :w", values={"pk": "p", "v": "b", "w": "a"}),
    invalid_query("pk = :pk", values={}),
    invalid_query("pk = :pk", values=TWO),
    invalid_query("pk = :pk", names={"#a": "a"}),
]


def indexed(sk: str, **values: Any) -> Call:
    return put("indexed", sk, **values)


DUE_ROWS = [
    indexed("a", due="x", due_at="3", extra=1, other=1),
    indexed("b", due="x", due_at="1"),
    indexed("c", due="x"),
    indexed("d", due_at="2"),
    indexed("e", due="y", due_at="2"),
    indexed("f", due="x", due_at="2", aged="z", since="1"),
]
A, B, F = row("a", due="x", due_at="3", extra=1), row("b", due="x", due_at="1"), row("f", due="x", due_at="2")


def due(fact: str, gives: Outcome, rows: Sequence[Call] = DUE_ROWS, text: str = "due = :due", **more: Any) -> Case:
    values = {"due": "x", **more.pop("values", {})}
    return query(fact, rows, text, gives, "indexed", values=values, IndexName="due", **more)


def change(sk: str, text: str, **values: Any) -> Call:
    request = {"TableName": "indexed", "Key": row(sk), "UpdateExpression": text, **expressions(None, values)}
    return "UpdateItem", request


INDEXES = [
    due("an index contains the rows with its keys, and what it projects", found(B, F, A)),
    due("an index is read backwards", found(A, F, B), ScanIndexForward=False),
    due("an index has a range", found(B, F), text="due = :due AND due_at <= :v", values={"v": "2"}),
    due("an index has pages", found(B, F, last=F), Limit=2),
    due("an index has a next page", found(A), Limit=2, ExclusiveStartKey=F),
    due("an index is counted", {"Count": 3, "ScannedCount": 3}, Select="COUNT"),
    due("an index is filtered", found(A, scanned=3), FilterExpression="extra = :v", values={"v": 1}),
    due(
        "an index is filtered by a key of the table", found(A, scanned=3), FilterExpression="sk = :v", values={"v": "a"}
    ),
    due("a filter on a key of the index is refused", INVALID, FilterExpression="due_at = :v", values={"v": "1"}),
    due("a consistent read of an index is refused", INVALID, ConsistentRead=True),
    due("a start without the keys of the index is refused", INVALID, ExclusiveStartKey=row("a")),
    due("a projection of an index", found({}, {}, {"extra": {"N": "1"}}), ProjectionExpression="extra"),
    due("all projected attributes of an index", found(B, F, A), Select="ALL_PROJECTED_ATTRIBUTES"),
    due("all attributes of an index that has not all are refused", INVALID, Select="ALL_ATTRIBUTES"),
    due("a projection of what an index does not have is refused", INVALID, ProjectionExpression="other"),
    query(
        "an index with keys only",
        DUE_ROWS,
        "aged = :aged",
        found(row("f", aged="z", since="1")),
        "indexed",
        values={"aged": "z"},
        IndexName="aged",
    ),
    due("a row leaves an index with its key", found(F, A), [*DUE_ROWS, change("b", "REMOVE due_at")]),
    due(
        "a row moves in an index",
        found(F, A, row("b", due="x", due_at="9")),
        [*DUE_ROWS, change("b", "SET due_at = :v", v="9")],
    ),
    due("a row moves to another partition", found(F, A), [*DUE_ROWS, change("b", "SET due = :v", v="y")]),
    due(
        "a row enters an index",
        found(B, row("c", due="x", due_at="1"), F, A),
        [*DUE_ROWS, change("c", "SET due_at = :v", v="1")],
    ),
    due(
        "an index has the new value",
        found(B, F, row("a", due="x", due_at="3", extra=2)),
        [*DUE_ROWS, change("a", "SET extra = :v", v=2)],
    ),
    due(
        "a deleted row leaves an index",
        found(B, F),
        [*DUE_ROWS, ("DeleteItem", {"TableName": "indexed", "Key": row("a")})],
    ),
    due("a replaced row leaves an index", found(B, F), [*DUE_ROWS, indexed("a", n=1)]),
]


def batch_get(fact: str, gives: Outcome, before: Sequence[Call] = (), **tables: Any) -> Case:
    return Case(fact, (*before, ("BatchGetItem", {"RequestItems": tables})), gives)


def batch_write(fact: str, gives: Outcome, *more: Call, before: Sequence[Call] = (), **tables: Any) -> Case:
    return Case(fact, (*before, ("BatchWriteItem", {"RequestItems": tables}), *more), gives)


def puts(*items: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"PutRequest": {"Item": one}} for one in items]


def deletes(*keys: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"DeleteRequest": {"Key": key}} for key in keys]


def answered(**tables: Any) -> Outcome:
    return {"Responses": tables, "UnprocessedKeys": {}}


DONE: Outcome = {"UnprocessedItems": {}}
BATCHES = [
    batch_get(
        "a batch reads what exists",
        answered(indexed=[row("b")], plain=[row("a", n=1)]),
        [put(sk="a", n=1), put("indexed", "b")],
        plain={"Keys": [row("a"), row("z")], "ConsistentRead": True},
        indexed={"Keys": [row("b")]},
    ),
    batch_get("a batch of missing items is empty", answered(plain=[]), plain={"Keys": [row("a")]}),
    batch_get(
        "a batch has a projection",
        answered(plain=[{"n": {"N": "1"}}]),
        [put(sk="a", n=1)],
        plain={"Keys": [row("a")], "ProjectionExpression": "#n", "ExpressionAttributeNames": {"#n": "n"}},
    ),
    batch_get("a batch of 100 keys", answered(plain=[]), plain={"Keys": [row(str(number)) for number in range(100)]}),
    batch_get("a batch of 101 keys is refused", INVALID, plain={"Keys": [row(str(number)) for number in range(101)]}),
    batch_get("a batch with a key twice is refused", INVALID, plain={"Keys": [row("a"), row("a")]}),
    batch_get("a batch with an invalid key is refused", INVALID, plain={"Keys": [{"pk": {"S": "p"}}]}),
    batch_get(
        "a batch of a missing table is refused", {"error": "ResourceNotFoundException"}, none={"Keys": [row("a")]}
    ),
    batch_write("a batch writes", DONE, plain=puts(row("a")), indexed=puts(row("a"))),
    batch_write("a batch puts", {"Item": row("s", n=1)}, get(), plain=puts(row("s", n=1))),
    batch_write("a batch deletes", {}, get(), before=[put()], plain=deletes(row("s"))),
    batch_write("a batch of 25 writes", DONE, plain=puts(*(row(str(number)) for number in range(25)))),
    batch_write("a batch of 26 writes is refused", INVALID, plain=puts(*(row(str(number)) for number in range(26)))),
    batch_write("a batch with an item twice is refused", INVALID, plain=puts(row("a"), row("a"))),
    batch_write(
        "a batch with a put and a delete of an item is refused", INVALID, plain=[*puts(row("a")), *deletes(row("a"))]
    ),
    batch_write("a batch with an invalid item is refused", INVALID, plain=puts({"pk": {"S": "p"}})),
    batch_write("a batch with an invalid item writes nothing", {}, get(), plain=puts(row("s"), {"pk": {"S": "p"}})),
    batch_write("a batch to a missing table is refused", {"error": "ResourceNotFoundException"}, none=puts(row("a"))),
]


def cancelled(*reasons: str | Outcome) -> Outcome:
    listed = [reason if isinstance(reason, dict) else {"Code": reason} for reason in reasons]
    return {"error": "TransactionCanceledException", "reasons": listed}


def of(kind: str, sk: str = "s", condition: str = "", **more: Any) -> dict[str, Any]:
    """A write of a transaction. more: further parameters; values: for placeholders."""
    request: dict[str, Any] = {"TableName": "plain", **expressions(None, more.pop("values", {}))}
    request |= {"Item": row(sk, **more.pop("item", {}))} if kind == "Put" else {"Key": row(sk)}
    if condition:
        request["ConditionExpression"] = condition
    return {kind: {**request, **more}}


def transaction(
    fact: str, gives: Outcome, *items: Any, before: Sequence[Call] = (), then: Sequence[Call] = (), **more: Any
) -> Case:
    call = "TransactWriteItems", {"TransactItems": list(items), **more}
    return Case(fact, (*before, call, *then), gives)


ABSENT = "attribute_not_exists(pk)"
COUNTED = of("Update", UpdateExpression="ADD n :one", values={"one": 1})
TOKENS: list[dict[str, Any]] = [{"ClientRequestToken": token} for token in ("once", "other", "failing")]
ONCE, OTHER, FAILING = TOKENS
ANY_WRITE: list[tuple[str, dict[str, Any]]] = [
    ("Put", {}),
    ("Delete", {}),
    ("ConditionCheck", {}),
    ("Update", {"UpdateExpression": "SET n = :v", "values": {"v": 1}}),
]
TRANSACTIONS = [
    transaction(
        "a transaction writes",
        {},
        of("Put", "a", ABSENT, item={"n": 1}),
        of("Update", "b", UpdateExpression="SET n = :v", values={"v": 1}),
        of("Delete", "c", "n = :v", values={"v": 1}),
        of("ConditionCheck", "d", ABSENT),
        before=[put(sk="c", n=1)],
    ),
    transaction("a transaction puts", {"Item": row("s", n=1)}, of("Put", item={"n": 1}), then=[get()]),
    transaction("a transaction updates", {"Item": row("s", n=3)}, COUNTED, before=[put(n=2)], then=[get()]),
    transaction("a transaction deletes", {}, of("Delete"), before=[put()], then=[get()]),
    transaction(
        "a transaction is cancelled with a reason for each write",
        cancelled("None", "ConditionalCheckFailed", "None", "ConditionalCheckFailed"),
        of("Put", "a"),
        of("Put", "b", "attribute_exists(pk)"),
        of("Put", "c", ABSENT),
        of("ConditionCheck", "d", "attribute_exists(pk)"),
    ),
    transaction(
        "a cancelled transaction writes nothing",
        {},
        of("Put"),
        of("ConditionCheck", "d", "attribute_exists(pk)"),
        then=[get()],
    ),
    *(
        transaction(
            f"a failed condition of {kind} returns the item",
            cancelled({"Code": "ConditionalCheckFailed", "Item": row("s", n=1)}),
            of(kind, condition=ABSENT, ReturnValuesOnConditionCheckFailure="ALL_OLD", **more),
            before=[put(n=1)],
        )
        for kind, more in ANY_WRITE
    ),
    transaction(
        "a failed condition returns no item unless it is asked for",
        cancelled("ConditionalCheckFailed"),
        of("Put", condition=ABSENT),
        before=[put(n=1)],
    ),
    transaction("two writes of an item are refused", INVALID, of("Put"), of("Delete")),
    transaction(
        "a check and a write of an item are refused", INVALID, of("Put"), of("ConditionCheck", condition=ABSENT)
    ),
    transaction("100 writes", {}, *(of("Put", str(number)) for number in range(100))),
    transaction("101 writes are refused", INVALID, *(of("Put", str(number)) for number in range(101))),
    transaction(
        "an invalid key cancels the transaction",
        cancelled("None", "ValidationError"),
        of("Put", "a"),
        {"Put": {"TableName": "plain", "Item": {"pk": {"S": "p"}, "sk": {"N": "7"}}}},
    ),
    transaction(
        "an update that the item does not allow cancels the transaction",
        cancelled("None", "ValidationError"),
        of("Put", "a"),
        of("Update", UpdateExpression="SET n = n + :v", values={"v": 1}),
    ),
    transaction("an undefined value is refused", INVALID, of("Put", condition="n = :v")),
    transaction("an unused value is refused", INVALID, of("Put", condition=ABSENT, values={"v": 1})),
    transaction("a syntax error is refused", INVALID, of("Put", condition="hello!")),
    transaction(
        "a transaction with a missing table is refused",
        {"error": "ResourceNotFoundException"},
        of("Put", TableName="none"),
    ),
    transaction(
        "a transaction with a token happens once",
        {"Item": row("s", n=1)},
        COUNTED,
        **ONCE,
        then=[("TransactWriteItems", {"TransactItems": [COUNTED], **ONCE}), get()],
    ),
    transaction(
        "a token of another transaction is refused",
        {"error": "IdempotentParameterMismatchException"},
        COUNTED,
        **OTHER,
        then=[("TransactWriteItems", {"TransactItems": [of("Delete")], **OTHER})],
    ),
    transaction(
        "a cancelled transaction may be repeated with its token",
        {},
        of("Put", condition="attribute_exists(pk)"),
        **FAILING,
        then=[
            put(),
            ("TransactWriteItems", {"TransactItems": [of("Put", condition="attribute_exists(pk)")], **FAILING}),
        ],
    ),
]

CASES = [*QUERIES, *INDEXES, *BATCHES, *TRANSACTIONS]
