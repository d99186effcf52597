"""Query of a table or an index, page by page."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from proof.world.dynamodb import attribute_values, key_conditions, paths
from proof.world.dynamodb.attribute_values import Item
from proof.world.dynamodb.conditions import CompiledCondition
from proof.world.dynamodb.errors import invalid, invalid_parameter
from proof.world.dynamodb.key_conditions import Range
from proof.world.dynamodb.memory_table import MemoryIndex, MemoryTable
from proof.world.dynamodb.nodes import Between, Both, Call, Comparison, Condition, In, Not, Operand, Path, Steps
from proof.world.dynamodb.partitions import Partition, Row
from proof.world.dynamodb.requests import EXPRESSION, Expressions, Request, Tables, check_parameters, table_of

PARAMETERS = EXPRESSION | {
    *("TableName", "IndexName", "KeyConditionExpression", "FilterExpression", "ProjectionExpression", "Select"),
    *("Limit", "ExclusiveStartKey", "ScanIndexForward", "ConsistentRead"),
}
PAGE = 1024 * 1024
INVALID_START = "The provided starting key is invalid"
OUTSIDE = "The provided starting key is outside query boundaries based on provided conditions"


@dataclass(frozen=True, slots=True)
class _Source:
    """The table, or the index, that is queried."""

    table: MemoryTable
    index: MemoryIndex | None
    pk: str
    sk: str

    @property
    def key_attributes(self) -> tuple[str, ...]:
        own = self.table.table
        return tuple(dict.fromkeys((self.pk, self.sk, own.pk, own.sk)))

    def partition(self, pk: str) -> Partition | None:
        if self.index is None:
            return self.table.rows.partition(pk)
        self.index.catch_up(self.table.now())
        return self.index.partitions.partition(pk)


def query(tables: Tables, request: Request) -> dict[str, Any]:
    check_parameters("Query", request, PARAMETERS)
    source = _source(table_of(tables, request), request)
    expressions = Expressions(request)
    key_condition = key_conditions.compiled(request["KeyConditionExpression"], expressions.names)
    expressions.add(key_conditions.PARAMETER, key_condition.condition)
    wanted = _wanted(source, request, expressions)
    filtered = expressions.condition(request, "FilterExpression")
    expressions.end()
    if filtered:
        _check_filter(source, filtered)
    pk, span = key_condition.bounds(source.pk, source.sk, expressions.values)
    start = _start(source, request, pk, span)
    rows = _rows(source.partition(pk), span, start, request.get("ScanIndexForward", True))
    page, last = _page(rows, request.get("Limit"))
    return _answer(source, request, page, last, filtered, expressions.values, wanted)


def _source(table: MemoryTable, request: Request) -> _Source:
    name = request.get("IndexName")
    if name is None:
        return _Source(table, None, table.table.pk, table.table.sk)
    index = table.indexes.get(name)
    if index is None:
        raise invalid(f"The table does not have the specified index: {name}")
    if request.get("ConsistentRead"):
        raise invalid("Consistent reads are not supported on global secondary indexes")
    return _Source(table, index, index.index.pk, index.index.sk)


def _wanted(source: _Source, request: Request, expressions: Expressions) -> tuple[Steps, ...] | None:
    """Paths of the projection; None: all attributes."""
    wanted, select = expressions.projection(request), request.get("Select")
    if wanted and select not in (None, "SPECIFIC_ATTRIBUTES"):
        what = "only the Count" if select == "COUNT" else str(select)
        raise invalid(f"Cannot specify the ProjectionExpression when choosing to get {what}")
    if select == "SPECIFIC_ATTRIBUTES" and not wanted:
        raise invalid(
            "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES"
        )
    if source.index is None:
        if select == "ALL_PROJECTED_ATTRIBUTES":
            raise invalid_parameter("ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName")
        return wanted
    name = source.index.index.name
    if select == "ALL_ATTRIBUTES":
        not_all = f"is not supported for global secondary index {name} because its projection type is not ALL"
        raise invalid_parameter(f"Select type ALL_ATTRIBUTES {not_all}")
    absent = {str(steps[0]) for steps in wanted or ()} - source.index.projected
    if absent:
        raise invalid_parameter(f"Global secondary index {name} does not project [{', '.join(sorted(absent))}]")
    return wanted


def _check_filter(source: _Source, filtered: CompiledCondition) -> None:
    for name in _attributes(filtered.node):
        if name in (source.pk, source.sk):
            only = "Filter Expression can only contain non-primary key attributes: Primary key attribute"
            raise invalid(f"{only}: {name}")


def _attributes(node: Condition | Operand) -> Iterator[str]:
    """Names of the attributes that a condition reads."""
    match node:
        case Path(steps):
            yield str(steps[0])
        case Both(_, left, right) | Comparison(_, left, right):
            yield from (*_attributes(left), *_attributes(right))
        case Not(condition):
            yield from _attributes(condition)
        case Between(operand, low, high):
            yield from (*_attributes(operand), *_attributes(low), *_attributes(high))
        case In(operand, candidates):
            yield from (*_attributes(operand), *(name for one in candidates for name in _attributes(one)))
        case Call(_, arguments):
            yield from (name for argument in arguments for name in _attributes(argument))


def _start(source: _Source, request: Request, pk: str, span: Range) -> Any:
    """The sort key after which the page begins, if any."""
    given = request.get("ExclusiveStartKey")
    if not given:
        return None
    if given.keys() != set(source.key_attributes) or not all("S" in value for value in given.values()):
        raise invalid(INVALID_START)
    if given[source.pk]["S"] != pk or not span.contains(given[source.sk]["S"]):
        raise invalid(OUTSIDE)
    own = source.table.table
    if source.index is None:
        return given[own.sk]["S"]
    return given[source.sk]["S"], given[own.pk]["S"], given[own.sk]["S"]


def _rows(partition: Partition | None, span: Range, start: Any, forward: bool) -> Iterable[Row]:
    """Rows of the range in their order, from the start on."""
    if partition is None:
        return ()
    order = partition.order
    sort_key = itemgetter(0) if isinstance(order[0], tuple) else str
    first, last = 0, len(order)
    if span.low is not None:
        first = (bisect_left if span.includes_low else bisect_right)(order, span.low, key=sort_key)
    if span.high is not None:
        last = (bisect_right if span.includes_high else bisect_left)(order, span.high, key=sort_key)
    if start is not None and forward:
        first = max(first, bisect_right(order, start))
    elif start is not None:
        last = min(last, bisect_left(order, start))
    keys = order[first:last] if forward else reversed(order[first:last])
    if not span.prefix:
        return (partition.rows[key] for key in keys)
    return (partition.rows[key] for key in keys if sort_key(key).startswith(span.prefix))


def _page(rows: Iterable[Row], limit: int | None) -> tuple[list[Item], Item | None]:
    """Items of a page, and the last one if it is full.

    A page is full with `limit` items, or when it exceeds 1 MB; the filter is applied later.
    """
    if limit is not None and limit < 1:
        failed = f"Value '{limit}' at 'limit' failed to satisfy constraint"
        raise invalid(f"1 validation error detected: {failed}: Member must have value greater than or equal to 1")
    page: list[Item] = []
    size = 0
    for row in rows:
        page.append(row.item)
        size += row.size
        if len(page) == limit or size > PAGE:
            return page, row.item
    return page, None


def _answer(
    source: _Source,
    request: Request,
    page: list[Item],
    last: Item | None,
    filtered: CompiledCondition | None,
    values: Item,
    wanted: tuple[Steps, ...] | None,
) -> dict[str, Any]:
    items = [item for item in page if filtered.test(item, values)] if filtered else page
    answer: dict[str, Any] = {"Count": len(items), "ScannedCount": len(page)}
    if request.get("Select") != "COUNT":
        answer["Items"] = [paths.project(item, wanted) if wanted else attribute_values.copy(item) for item in items]
    if last:
        answer["LastEvaluatedKey"] = attribute_values.copy({name: last[name] for name in source.key_attributes})
    return answer
