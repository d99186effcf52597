"""DynamoDB in memory: snapshots, late indexes, copies, limits. tests/conformance compares its answers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from proof.world.dynamodb import MemoryDynamoDb
from shared.aws import attributes
from shared.tables import DELIVERIES, MESSAGES, STATE
from tests.conftest import VirtualClock

TABLES = (STATE, DELIVERIES, MESSAGES)


@pytest.fixture
def database(clock: VirtualClock) -> MemoryDynamoDb:
    return MemoryDynamoDb(TABLES, lambda name: f"test-{name}", clock.now)


def put(database: MemoryDynamoDb, sk: str = "a", table: str = "state", **values: Any) -> None:
    item = attributes.row({"pk": "p", "sk": sk, **values})
    database.call("PutItem", {"TableName": f"test-{table}", "Item": item})


def stored(database: MemoryDynamoDb, table: str = "state") -> list[dict[str, Any]]:
    return [attributes.plain(item) for item in database.rows(table)]


def due(database: MemoryDynamoDb, partition: str = "00") -> list[str]:
    answer = database.call(
        "Query",
        {
            "TableName": "test-deliveries",
            "IndexName": "due",
            "KeyConditionExpression": "due = :due",
            "ExpressionAttributeValues": {":due": {"S": partition}},
        },
    )
    return [item["sk"]["S"] for item in answer["Items"]]


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return error.value.response["Error"]["Code"]


def test_a_snapshot_is_restored_any_number_of_times(database: MemoryDynamoDb) -> None:
    put(database, n=1)
    snapshot = database.snapshot()
    for number in (2, 3):
        put(database, n=number)
        put(database, "b")
        database.call("DeleteItem", {"TableName": "test-state", "Key": attributes.row({"pk": "p", "sk": "a"})})
        assert stored(database) == [{"pk": "p", "sk": "b"}]
        database.restore(snapshot)
        assert stored(database) == [{"pk": "p", "sk": "a", "n": 1}]


def test_a_later_snapshot_survives_the_return_to_an_earlier_one(database: MemoryDynamoDb) -> None:
    earlier = database.snapshot()
    put(database, n=1)
    later = database.snapshot()
    database.restore(earlier)
    put(database, n=2)
    database.restore(later)
    assert stored(database) == [{"pk": "p", "sk": "a", "n": 1}]


def test_a_snapshot_has_the_indexes(database: MemoryDynamoDb) -> None:
    put(database, table="deliveries", due="00", due_at="2026")
    snapshot = database.snapshot()
    put(database, table="deliveries")
    assert due(database) == []
    database.restore(snapshot)
    assert due(database) == ["a"]


def test_an_index_of_whole_rows_has_every_attribute(database: MemoryDynamoDb) -> None:
    put(database, bad_tenant="tenant#org_7", bad_at="2026", note="no door")
    answer = database.call(
        "Query",
        {
            "TableName": "test-state",
            "IndexName": "tenant",
            "KeyConditionExpression": "bad_tenant = :tenant",
            "ExpressionAttributeValues": {":tenant": {"S": "tenant#org_7"}},
        },
    )
    assert [attributes.plain(item) for item in answer["Items"]] == stored(database)


def test_a_snapshot_has_the_tokens_of_transactions(database: MemoryDynamoDb) -> None:
    def count() -> None:
        update = {
            "TableName": "test-state",
            "Key": attributes.row({"pk": "p", "sk": "a"}),
            "UpdateExpression": "ADD n :one",
            "ExpressionAttributeValues": {":one": {"N": "1"}},
        }
        request = {"TransactItems": [{"Update": update}], "ClientRequestToken": "once"}
        database.call("TransactWriteItems", request)

    snapshot = database.snapshot()
    count()
    count()
    assert stored(database) == [{"pk": "p", "sk": "a", "n": 1}]
    database.restore(snapshot)
    count()
    assert stored(database) == [{"pk": "p", "sk": "a", "n": 1}]


def test_an_answer_may_be_changed(database: MemoryDynamoDb) -> None:
    put(database, tags=["x"], deep={"inner": ["y"]}, names={"a", "b"})
    request = {"TableName": "test-state", "Key": attributes.row({"pk": "p", "sk": "a"})}
    for read in (lambda: database.call("GetItem", request)["Item"], lambda: database.rows("state")[0]):
        item = read()
        item["tags"]["L"].clear()
        item["deep"]["M"]["inner"]["L"][0]["S"] = "changed"
        item["names"]["SS"].pop()
        item.pop("sk")
    assert stored(database) == [{"pk": "p", "sk": "a", "tags": ["x"], "deep": {"inner": ["y"]}, "names": ["a", "b"]}]


def test_a_request_may_be_changed_after_the_call(database: MemoryDynamoDb) -> None:
    item = attributes.row({"pk": "p", "sk": "a", "deep": {"inner": ["y"]}})
    database.call("PutItem", {"TableName": "test-state", "Item": item})
    item["deep"]["M"]["inner"]["L"].clear()
    assert stored(database) == [{"pk": "p", "sk": "a", "deep": {"inner": ["y"]}}]


def test_rows_are_loaded_without_a_request(database: MemoryDynamoDb) -> None:
    database.load("deliveries", [attributes.row({"pk": "p", "sk": "a", "due": "00", "due_at": "2026"})])
    assert stored(database, "deliveries") == [{"pk": "p", "sk": "a", "due": "00", "due_at": "2026"}]
    assert due(database) == ["a"]


def test_an_index_receives_a_write_after_its_delay(clock: VirtualClock) -> None:
    delays = {"due": timedelta(seconds=2)}

    def delay(table: str, index: str) -> timedelta:
        assert table == "deliveries"
        return delays.get(index, timedelta())

    database = MemoryDynamoDb(TABLES, lambda name: f"test-{name}", clock.now, delay)
    put(database, table="deliveries", due="00", due_at="2026")
    assert due(database) == []
    clock.move(seconds=1)
    # A change that would arrive earlier waits for the one before it.
    delays.clear()
    put(database, table="deliveries", due="01", due_at="2026")
    assert due(database) == due(database, "01") == []
    clock.move(seconds=1)
    assert (due(database), due(database, "01")) == ([], ["a"])


def test_a_late_change_is_part_of_a_snapshot(clock: VirtualClock) -> None:
    database = MemoryDynamoDb(TABLES, lambda name: f"test-{name}", clock.now, lambda *_: timedelta(seconds=2))
    put(database, table="deliveries", due="00", due_at="2026")
    snapshot = database.snapshot()
    clock.move(seconds=2)
    assert due(database) == ["a"]
    clock.move(seconds=-2)
    database.restore(snapshot)
    assert due(database) == []
    clock.move(seconds=2)
    assert due(database) == ["a"]


@pytest.mark.parametrize(
    ("operation", "more", "named"),
    [
        ("Scan", {}, "Scan is not implemented"),
        ("PutItem", {"Item": {}, "Expected": {}}, "Expected of PutItem"),
        ("GetItem", {"Key": {}, "ReturnConsumedCapacity": "TOTAL"}, "ReturnConsumedCapacity of GetItem"),
    ],
)
def test_a_form_that_no_job_uses_is_named(
    database: MemoryDynamoDb, operation: str, more: dict[str, Any], named: str
) -> None:
    with pytest.raises(NotImplementedError, match=named):
        database.call(operation, {"TableName": "test-state", **more})


def test_an_item_has_at_most_400_kb(database: MemoryDynamoDb) -> None:
    # Names of attributes count too: `pk`, `sk`, `text` and the key's two characters.
    put(database, text="x" * (400 * 1024 - 10))
    with pytest.raises(ClientError, match="Item size has exceeded the maximum allowed size") as error:
        put(database, text="x" * (400 * 1024 - 9))
    assert code(error) == "ValidationException"


def test_a_transaction_has_at_most_4_mb(database: MemoryDynamoDb) -> None:
    def write(number: int) -> None:
        text = "x" * 399_000
        items = [attributes.row({"pk": "p", "sk": str(sk), "text": text}) for sk in range(number)]
        puts = [{"Put": {"TableName": "test-state", "Item": item}} for item in items]
        database.call("TransactWriteItems", {"TransactItems": puts})

    write(10)
    with pytest.raises(ClientError, match="Transaction request size cannot exceed 4 MB"):
        write(11)


def test_a_page_has_little_more_than_1_mb(database: MemoryDynamoDb) -> None:
    for number in range(6):
        put(database, str(number), text="x" * 399_000)
    request = {
        "TableName": "test-state",
        "KeyConditionExpression": "pk = :pk",
        "ExpressionAttributeValues": {":pk": {"S": "p"}},
    }
    first = database.call("Query", request)
    assert (first["Count"], first["LastEvaluatedKey"]) == (3, {"pk": {"S": "p"}, "sk": {"S": "2"}})
    second = database.call("Query", {**request, "ExclusiveStartKey": first["LastEvaluatedKey"]})
    assert [item["sk"]["S"] for item in second["Items"]] == ["3", "4", "5"]


def test_keys_beyond_16_mb_are_left_for_another_batch(database: MemoryDynamoDb) -> None:
    for number in range(45):
        put(database, f"{number:02}", text="x" * 399_000)
    keys = [attributes.row({"pk": "p", "sk": f"{number:02}"}) for number in range(45)]
    answer = database.call("BatchGetItem", {"RequestItems": {"test-state": {"Keys": keys}}})
    left = answer["UnprocessedKeys"]["test-state"]["Keys"]
    assert (len(answer["Responses"]["test-state"]), left) == (42, keys[42:])


def test_a_token_is_forgotten_after_ten_minutes(database: MemoryDynamoDb, clock: VirtualClock) -> None:
    def write(sk: str) -> None:
        item = attributes.row({"pk": "p", "sk": sk})
        request = {"TransactItems": [{"Put": {"TableName": "test-state", "Item": item}}], "ClientRequestToken": "once"}
        database.call("TransactWriteItems", request)

    write("a")
    with pytest.raises(ClientError) as error:
        write("b")
    assert code(error) == "IdempotentParameterMismatchException"
    clock.move(minutes=10)
    write("b")
    assert [row["sk"] for row in stored(database)] == ["a", "b"]
