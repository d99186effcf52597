"""Cases in which moto or the local engine deviate from AWS, with the statement about AWS.

Where no source is named, the statement is one of the tests that ScyllaDB's Alternator runs against AWS
(test/alternator of its repository).
"""

from __future__ import annotations

from dataclasses import dataclass

EXPRESSIONS = 'developer guide, "Comparison operator and function reference"'
UPDATE_EXPRESSIONS = 'developer guide, "Using update expressions"'
TYPES = 'developer guide, "Supported data types and naming rules"'
LIMITS = 'developer guide, "Quotas in Amazon DynamoDB"'
API = "API reference"


@dataclass(frozen=True)
class Deviation:
    backends: str
    statement: str
    facts: tuple[str, ...]
    source: str = "Alternator"


FOUND = (
    Deviation(
        "moto engine",
        "An absent attribute equals nothing, also no other absent attribute.",
        ("a = b fails for {}", "a <> b holds for {}"),
    ),
    Deviation(
        "moto",
        "Values of other types make a comparison false; only values in the request are refused.",
        (
            "a < :v fails for {'a': 7}, v='8'",
            "a < :v fails for {'a': [1]}, v=2",
            "a = :v fails for {'a': True}, v=1",
            "size(a) = :v fails for {}, v=0",
            "size(a) < :v fails for {}, v=5",
            "size(a) = :v fails for {'a': 7}, v=1",
        ),
    ),
    Deviation(
        "engine",
        "begins_with is false for an attribute that is neither text nor binary, and its operands may be in any order.",
        ("begins_with(a, :v) fails for {'a': 7}, v='7'", "begins_with(:v, a) holds for {'a': 'cat'}, v='catalogue'"),
    ),
    Deviation(
        "moto",
        "begins_with compares binary values too.",
        ("begins_with(a, :v) holds for {'a': {'B': b'cat'}}, v={'B': b'ca'}",),
    ),
    Deviation(
        "engine",
        "Numbers are compared as numbers, also as elements of a set.",
        (
            "contains(a, :v) holds for {'a': {'NS': ['1', '2']}}, v={'N': '2.0'}",
            "'ADD a :v' of {'a': {'NS': ['1']}}, v={'NS': ['1.0', '2']}",
        ),
        TYPES,
    ),
    Deviation(
        "moto engine",
        "Values in the request must have a type that the operator takes, and bounds must be in order.",
        (
            "condition 'a < :v' is invalid, v=[1]",
            "condition 'a < :v' is invalid, v=True",
            "condition 'a BETWEEN :low AND :high' is invalid, low=2, high='x'",
            "condition 'attribute_type(a, :v)' is invalid, v='DOG'",
            "condition 'attribute_type(a, b)' is invalid",
        ),
    ),
    Deviation(
        "moto",
        "Values in the request must have a type that the operator takes, and bounds must be in order.",
        (
            "condition 'a BETWEEN :low AND :high' is invalid, low=2, high=1",
            "condition 'begins_with(a, :v)' is invalid, v=1",
        ),
    ),
    Deviation(
        "moto engine",
        "Operands may be in parentheses.",
        ("(a) = (:v) holds for {'a': 1}, v=1", "(size(a)) > :v holds for {'a': 'cat'}, v=1"),
        "dynalite's grammar, tested against AWS",
    ),
    Deviation(
        "moto",
        "NOT may be repeated, and a value of SET may be in parentheses.",
        (
            "NOT NOT a = :v holds for {'a': 1}, v=1",
            "'SET a = (:v)' of {}, v=1",
            "'SET a = (b + :v)' of {'b': 1}, v=1",
        ),
    ),
    Deviation(
        "moto engine",
        "An invalid condition is a ValidationException.",
        (
            "condition 'a = a' is invalid",
            "condition 'a != :v' is invalid, v=1",
            "condition '_a = :v' is invalid, v=1",
            "a syntax error is refused",
        ),
    ),
    Deviation(
        "moto",
        "An invalid condition is a ValidationException.",
        (
            *(f"condition {text!r} is invalid" for text in ("", "a", "a =", "a = 5", "a IN ()", "size(a)")),
            *(f"condition {text!r} is invalid, v=1" for text in ("a = :v :v", "a[:v] = :v", "attribute_exists(:v)")),
            *(f"condition {text!r} is invalid, v=1" for text in ("size(a, b) = :v", "dog(a) = :v")),
            "condition 'if_not_exists(a, b) = :v' is invalid, v=1",
            "condition 'attribute_exists(a) = :v' is invalid, v=True",
            "condition 'BEGINS_WITH(a, :v)' is invalid, v='x'",
            "condition 'contains(a, a)' is invalid",
        ),
    ),
    Deviation(
        "moto",
        "Each placeholder is defined, and used.",
        (
            "condition '#a = :v' is invalid, v=1",
            "condition '#a = :v' is invalid, #b='b', v=1",
            "condition 'a = :w' is invalid, v=1",
            "condition 'a = :v' is invalid, v=1, w=1",
            "condition 'a = :v' is invalid, a='a', v=1",
            "'SET #a = :v' of {'a': {'b': [1, 2]}}, v=1",
            "projection '#d'",
            "key condition 'pk = :pk' is invalid, pk='p', v='x'",
            "an undefined value is refused",
            "an unused value is refused",
        ),
    ),
    Deviation(
        "engine",
        "A placeholder of a name begins with #.",
        ("condition 'a = :v' is invalid, a='a', v=1",),
        'developer guide, "Expression attribute names (aliases) in DynamoDB"',
    ),
    Deviation(
        "moto engine",
        "SET adds exactly two operands, and list_append has no list_append as an operand.",
        ("'SET a = :v + :v + :v' of {}, v=1", "'SET a = list_append(list_append(:v, :v), :v)' of {}, v=[2]"),
    ),
    Deviation(
        "moto",
        "The default of if_not_exists may be another if_not_exists.",
        ("'SET a = if_not_exists(b, if_not_exists(c, :v))' of {'c': 3}, v=1",),
    ),
    Deviation(
        "engine",
        "An operand of a wrong type refuses the update.",
        (
            "'SET a = a + :v' of {'a': 'x'}, v=2",
            "'SET a = a + :v' of {'a': 1}, v='2'",
            "'SET a = if_not_exists(:w, :v)' of {}, v=1, w=1",
            "'SET a = list_append(a, :v)' of {'a': 1}, v=[2]",
            "'SET a = list_append(a, :v)' of {'a': [1]}, v=2",
        ),
    ),
    Deviation(
        "engine moto",
        "A sum that 38 digits cannot represent is refused.",
        ("'SET a = a + :v' of {'a': {'N': '1E50'}}, v=1",),
    ),
    Deviation(
        "engine moto",
        "An update that only removes does not create an item, whatever its paths.",
        ("'REMOVE a' of None", "'REMOVE a.x' of None", "'DELETE a :v' of None, v={'SS': ['x']}"),
    ),
    Deviation(
        "engine moto",
        "If you add multiple elements in a single SET operation, the elements are sorted in order by element number.",
        ("'SET a[7] = :v, a[5] = :w' of {'a': [1]}, v=7, w=5",),
        UPDATE_EXPRESSIONS,
    ),
    Deviation(
        "engine",
        "An index of a list is that of the list before the update.",
        ("'REMOVE a[0], a[2]' of {'a': [1, 2, 3]}",),
    ),
    Deviation(
        "moto",
        "An index of a list is that of the list before the update.",
        ("'REMOVE a[1] SET a[3] = :v' of {'a': [2, 3, 4, 5]}, v=9",),
    ),
    Deviation(
        "engine",
        "The attribute that contains a path exists, as a map or a list.",
        (
            "'REMOVE a.x' of {}",
            "'REMOVE a[0]' of {'a': 'x'}",
            "'SET a[0] = :v' of {'a': {}}, v=1",
        ),
    ),
    Deviation(
        "moto",
        "The attribute that contains a path exists, as a map or a list.",
        ("'SET a.x = :v' of {'a': 'text'}, v=1", "'SET a.x = :v' of {'a': [1]}, v=1"),
    ),
    Deviation(
        "moto engine",
        "Two paths must not overlap.",
        ("'SET a.b[0] = :v, a.b = :v' of {'a': {'b': [1, 2]}}, v=1",),
    ),
    Deviation(
        "engine",
        "Two paths must not overlap, a section occurs once, and syntax is checked.",
        (
            *(
                f"{text!r} of {{'a': {{'b': [1, 2]}}}}, v=1"
                for text in (
                    *("SET a = :v, a = :v", "SET a = :v REMOVE a", "SET a.b = :v, a[0] = :v", "SET a = :v SET b = :v"),
                    *("SET a = :v,", "SET :v = :v", "SET a :v", "REMOVE :v", "SET a == :v", "SET a-b = :v"),
                    "SET _a = :v",
                )
            ),
            "'SET #a = :v, #b = :v' of {}, #a='x', #b='x', v=1",
        ),
    ),
    Deviation(
        "moto",
        "Numbers can have up to 38 digits of precision; leading and trailing zeroes are trimmed.",
        (
            *(
                f"number {text!r} is stored"
                for text in ("+5", "1.50", "007", ".5", "-0", "1E3", "1e-7", "1e+22", "1.0")
            ),
            *(f"number {text!r} is stored" for text in ("-17.4E37", "9.9999E125", "1E-130")),
            *(f"number {text!r} is refused" for text in ("1E126", "1_0", "123456789012345678901234567890123456789")),
            "a set of numbers is stored",
            "a nested number is stored",
            "'SET a = a + :v' of {'a': {'N': '1E22'}}, v=1",
            "'SET a = a + :v' of {'a': {'N': '9E125'}}, v={'N': '9E125'}",
            "'ADD a :v' of {'a': {'NS': ['1']}}, v={'NS': ['1.0', '2']}",
        ),
        TYPES,
    ),
    Deviation("moto engine", "Zero is valid with any exponent.", ("number '0e1000' is stored",)),
    Deviation(
        "moto",
        "Each value within a set must be unique, and a set has at least one element.",
        (
            "'SET a = :v' of {}, v={'SS': []}",
            "a set of strings with duplicates is refused",
            "a set of numbers with duplicates is refused",
            "a nested value that is empty is refused",
        ),
        TYPES,
    ),
    Deviation(
        "moto",
        "Keys have the types of the schema, are not empty, and have at most 2048 and 1024 bytes.",
        (
            "GetItem with a number is refused",
            "GetItem with a long partition key is refused",
            "GetItem with a long sort key is refused",
            *(
                f"DeleteItem with {what} is refused"
                for what in ("a number", "an empty partition key", "an empty sort key")
            ),
            *(f"DeleteItem with a long {key} is refused" for key in ("partition key", "sort key")),
            *(f"UpdateItem with an empty {key} is refused" for key in ("partition key", "sort key")),
            "PutItem with a number as an index key is refused",
        ),
        LIMITS,
    ),
    Deviation(
        "moto",
        "UpdateItem needs no expression.",
        (
            "UpdateItem without an expression creates the item",
            "UpdateItem '' of an item with ReturnValues NONE",
            "UpdateItem '' of an item with ReturnValues ALL_OLD",
            "UpdateItem '' of nothing with ReturnValues ALL_OLD",
            "UpdateItem '' of nothing with ReturnValues ALL_NEW",
        ),
    ),
    Deviation(
        "moto engine",
        "UPDATED_OLD and UPDATED_NEW return the nested attributes that were written, and nothing beside them.",
        (
            "UpdateItem 'SET a.c[1] = :v, a.b = :v' of an item with ReturnValues UPDATED_OLD",
            "UpdateItem 'REMOVE a.c[1], a.c[9]' of an item with ReturnValues UPDATED_OLD",
            "UpdateItem 'SET a.c[1] = :v' of an item with ReturnValues UPDATED_NEW",
            "UpdateItem 'SET a.c[9] = :v' of an item with ReturnValues UPDATED_NEW",
            "UpdateItem 'REMOVE a.c[1]' of an item with ReturnValues UPDATED_NEW",
        ),
    ),
    Deviation(
        "moto",
        "UPDATED_OLD and UPDATED_NEW return the nested attributes that were written, and nothing beside them.",
        (
            "UpdateItem 'SET a.b = :v' of an item with ReturnValues UPDATED_OLD",
            "UpdateItem 'REMOVE d' of an item with ReturnValues UPDATED_NEW",
        ),
    ),
    Deviation(
        "engine",
        "Without attributes there is no `Attributes`.",
        ("UpdateItem 'SET e = :v' of an item with ReturnValues UPDATED_OLD",),
    ),
    Deviation(
        "moto",
        "A projection has all its paths, merged as they are in the item.",
        (
            "projection 'a.b[2].y, a.b[0], a.c'",
            "projection 'a.b[1], a.b[0]'",
            "projection 'a.b[0].x'",
            "projection '#a.#b[0]', #a='a', #b='b'",
        ),
    ),
    Deviation(
        "moto engine",
        "Syntax and paths of a projection are checked.",
        ("projection 'd,'", "projection 'a.b, a[0]'"),
    ),
    Deviation(
        "engine",
        "Syntax and paths of a projection are checked.",
        ("projection ''", "projection 'd d'"),
    ),
    Deviation(
        "moto",
        "Syntax and paths of a projection are checked.",
        tuple(f"projection {text!r}" for text in (",d", "a, a.b", "a.b, a.b[0]", ":d")),
    ),
    Deviation(
        "moto",
        "If LastEvaluatedKey is not empty, it does not necessarily mean that there is more data in the result set.",
        (
            "a page of 2 after 'bb' has ['c', 'd'], forward: True",
            "a page of 4 after '' has ['a', 'b', 'c', 'd'], forward: True",
        ),
        f"{API}, Query",
    ),
    Deviation(
        "moto engine",
        "A filter expression cannot contain partition key or sort key attributes.",
        ("a filter on a key attribute is refused", "a filter on a key of the index is refused"),
        'developer guide, "Filter expressions for the Query operation"',
    ),
    Deviation(
        "moto engine",
        "A key condition is `=` on the partition key, and one comparison, BETWEEN or begins_with on the sort key.",
        (
            "key condition 'pk = :pk AND sk <> :v' is invalid, pk='p', v='x'",
            "key condition 'pk = :pk OR sk = :v' is invalid, pk='p', v='x'",
            "key condition 'NOT pk = :pk' is invalid",
            "key condition 'pk = :pk AND NOT sk = :v' is invalid, pk='p', v='x'",
        ),
        'developer guide, "Key condition expressions for the Query operation"',
    ),
    Deviation(
        "engine",
        "A key condition is `=` on the partition key, and one comparison, BETWEEN or begins_with on the sort key.",
        (
            "key condition 'pk = :pk AND contains(sk, :v)' is invalid, pk='p', v='x'",
            "key condition 'pk = :pk AND attribute_exists(sk)' is invalid",
        ),
        'developer guide, "Key condition expressions for the Query operation"',
    ),
    Deviation(
        "moto",
        "A key condition is `=` on the partition key, and one comparison, BETWEEN or begins_with on the sort key.",
        (
            "key condition 'pk = :pk AND sk IN (:v)' is invalid, pk='p', v='x'",
            "key condition 'pk = :pk AND sk > :v AND sk < :w' is invalid, pk='p', v='x', w='y'",
            "key condition 'pk = :pk' is invalid, pk=1",
            "key condition 'pk = :pk AND sk = :v' is invalid, pk='p', v=1",
            "key condition 'pk = :pk AND sk BETWEEN :v AND :w' is invalid, pk='p', v='b', w='a'",
        ),
        'developer guide, "Key condition expressions for the Query operation"',
    ),
    Deviation(
        "moto",
        "ExclusiveStartKey has the keys of the table and the index, within the bounds of the query.",
        (
            "a start in another partition is refused",
            "a start without a sort key is refused",
            "a start without the keys of the index is refused",
        ),
        "dynalite, tested against AWS",
    ),
    Deviation(
        "moto",
        "A missing index is a ValidationException.",
        ("a missing index is refused",),
    ),
    Deviation(
        "engine",
        "ALL_ATTRIBUTES of a global secondary index needs a projection of all attributes.",
        ("all attributes of an index that has not all are refused",),
        f"{API}, Query",
    ),
    Deviation(
        "moto",
        "BatchWriteItem refuses more than 25 requests, an item twice in one table, and an item without its key.",
        (
            "a batch writes",
            "a batch of 26 writes is refused",
            "a batch with a put and a delete of an item is refused",
            "a batch with an invalid item writes nothing",
        ),
        f"{API}, BatchWriteItem",
    ),
    Deviation(
        "moto",
        "An item that does not fit the table or the update cancels the transaction: ValidationError.",
        (
            "an invalid key cancels the transaction",
            "an update that the item does not allow cancels the transaction",
        ),
        f"{API}, TransactWriteItems",
    ),
    Deviation(
        "moto",
        "A transaction with the token of another one within ten minutes is that one, or is refused.",
        ("a transaction with a token happens once", "a token of another transaction is refused"),
        f"{API}, TransactWriteItems",
    ),
)

DEVIATIONS: dict[str, set[str]] = {
    backend: {fact for deviation in FOUND if backend in deviation.backends.split() for fact in deviation.facts}
    for backend in ("moto", "engine")
}
