"""Guard of a tenant: code that processes its messages may access its rows only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shared import tables
from shared.aws.cloud import Cloud
from shared.messages.tenant import OutsideTenant, Tenant, guard
from shared.tables import Index, Table
from tests.conftest import Calls, create

TABLE = Table("usage", "usage of tenants", (Index("by-feature", "feature", "at"),), by_tenant=True)
NAME = "nightshift-test-usage"
ARN = f"arn:aws:dynamodb:us-east-1:123456789012:table/{NAME}"
ME = Tenant("org_1")
Call = Callable[[Cloud], Any]


@pytest.fixture(autouse=True)
def usage(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "TABLES", (*tables.TABLES, TABLE))
    create(cloud, TABLE)


def key(pk: str) -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": "-"}}


def get(pk: str) -> Call:
    return lambda cloud: cloud.dynamodb.get_item(TableName=NAME, Key=key(pk))


def put(pk: str) -> Call:
    return lambda cloud: cloud.dynamodb.put_item(TableName=NAME, Item=key(pk))


def update(pk: str) -> Call:
    return lambda cloud: cloud.dynamodb.update_item(
        TableName=NAME,
        Key=key(pk),
        UpdateExpression="ADD n :n",
        ExpressionAttributeValues={":n": {"N": "1"}},
    )


def delete(pk: str) -> Call:
    return lambda cloud: cloud.dynamodb.delete_item(TableName=NAME, Key=key(pk))


def query(condition: str, pk: str, **rest: Any) -> Call:
    values: Any = {":pk": {"S": pk}, **({":sk": {"S": "-"}} if ":sk" in condition else {})}
    return lambda cloud: cloud.dynamodb.query(
        TableName=NAME, KeyConditionExpression=condition, ExpressionAttributeValues=values, **rest
    )


def batch_get(*pks: str) -> Call:
    return lambda cloud: cloud.dynamodb.batch_get_item(RequestItems={NAME: {"Keys": [key(pk) for pk in pks]}})


def batch_write(put: str, delete: str) -> Call:
    asked: Any = [{"PutRequest": {"Item": key(put)}}, {"DeleteRequest": {"Key": key(delete)}}]
    return lambda cloud: cloud.dynamodb.batch_write_item(RequestItems={NAME: asked})


def transact(put: str, checked: str) -> Call:
    check = {"TableName": NAME, "Key": key(checked), "ConditionExpression": "attribute_not_exists(pk)"}
    items: Any = [{"Put": {"TableName": NAME, "Item": key(put)}}, {"ConditionCheck": check}]
    return lambda cloud: cloud.dynamodb.transact_write_items(TransactItems=items)


def transact_get(*pks: str) -> Call:
    items: Any = [{"Get": {"TableName": NAME, "Key": key(pk)}} for pk in pks]
    return lambda cloud: cloud.dynamodb.transact_get_items(TransactItems=items)


MINE = [
    get("org_1"),
    get("org_1#usage"),
    put("org_1#usage"),
    update("org_1#usage"),
    delete("org_1#usage"),
    query("pk = :pk", "org_1#usage"),
    query("#p=:pk AND sk <= :sk", "org_1#usage", ExpressionAttributeNames={"#p": "pk"}),
    query("sk = :sk AND pk = :pk", "org_1#usage"),
    query("feature = :pk", "org_1#export", IndexName="by-feature"),
    batch_get("org_1#a", "org_1#b"),
    batch_write("org_1#a", "org_1#b"),
    transact("org_1#a", "org_1#b"),
    transact_get("org_1#a", "org_1#b"),
]
NOT_MINE = [
    get("org_2#usage"),
    get("org_10#usage"),
    get("usage#org_1"),
    get(""),
    put("org_2#usage"),
    update("org_2#usage"),
    delete("org_2#usage"),
    query("pk = :pk", "org_2#usage"),
    query("sk = :sk AND pk = :pk", "org_2#usage"),
    query("feature = :pk", "export", IndexName="by-feature"),
    query("feature = :pk", "org_1#export"),
    batch_get("org_1#a", "org_2#b"),
    batch_write("org_1#a", "org_2#b"),
    batch_write("org_2#a", "org_1#b"),
    transact("org_1#a", "org_2#b"),
    transact("org_2#a", "org_1#b"),
    transact_get("org_1#a", "org_2#b"),
    lambda cloud: cloud.dynamodb.scan(TableName=NAME),
    lambda cloud: cloud.dynamodb.scan(TableName=NAME, IndexName="by-feature"),
    lambda cloud: cloud.dynamodb.get_item(TableName=NAME, Key={"sk": {"S": "-"}}),
    lambda cloud: cloud.dynamodb.get_item(TableName=ARN, Key=key("org_2#usage")),
    lambda cloud: cloud.dynamodb.scan(TableName=ARN),
    lambda cloud: cloud.dynamodb.batch_get_item(RequestItems={ARN: {"Keys": [key("org_2")]}}),
    lambda cloud: cloud.dynamodb.transact_get_items(TransactItems=[{"Get": {"TableName": ARN, "Key": key("org_2")}}]),
]
STATEMENT: Any = {"Statement": f'SELECT * FROM "{NAME}"'}
PARTIQL: list[Call] = [
    lambda cloud: cloud.dynamodb.execute_statement(**STATEMENT),
    lambda cloud: cloud.dynamodb.batch_execute_statement(Statements=[STATEMENT]),
    lambda cloud: cloud.dynamodb.execute_transaction(TransactStatements=[STATEMENT]),
]


@pytest.mark.parametrize("call", MINE)
@pytest.mark.moto
def test_what_is_bounded_by_the_tenants_key_is_let_through(call: Call, cloud: Cloud) -> None:
    with guard(cloud).scope(ME):
        call(cloud)


@pytest.mark.parametrize("call", NOT_MINE)
def test_what_is_not_bounded_by_it_is_never_sent(call: Call, cloud: Cloud) -> None:
    calls = Calls(cloud)
    with guard(cloud).scope(ME), pytest.raises(OutsideTenant, match="nightshift-test-usage for org_1"):
        call(cloud)
    assert calls.made == []


@pytest.mark.parametrize("tenant", [ME, None])
@pytest.mark.parametrize("call", PARTIQL)
def test_statements_in_partiql_are_never_sent(call: Call, tenant: Tenant | None, cloud: Cloud) -> None:
    calls = Calls(cloud)
    with guard(cloud).scope(tenant), pytest.raises(OutsideTenant, match="PartiQL"):
        call(cloud)
    assert calls.made == []


@pytest.mark.parametrize("call", MINE)
def test_in_nobodys_turn_no_rows_of_tenants_are_touched(call: Call, cloud: Cloud) -> None:
    with guard(cloud).scope(None), pytest.raises(OutsideTenant, match="for no tenant"):
        call(cloud)


def test_rows_that_are_no_tenants_are_free_and_all_rows_afterwards(cloud: Cloud) -> None:
    with guard(cloud).scope(ME):
        cloud.dynamodb.get_item(TableName=cloud.names.table("state"), Key=key("pricing:last"))
    get("org_2#usage")(cloud)
    cloud.dynamodb.scan(TableName=NAME)


def test_a_turn_within_a_turn_ends_with_it(cloud: Cloud) -> None:
    with guard(cloud).scope(None):
        with guard(cloud).scope(ME):
            get("org_1")(cloud)
        with pytest.raises(OutsideTenant):
            get("org_1")(cloud)


def test_one_cloud_has_one_guard(cloud: Cloud) -> None:
    assert guard(cloud) is guard(cloud)


def test_a_partition_begins_with_the_tenants_id() -> None:
    assert ME.key("usage") == "org_1#usage"
    assert ME.owns(ME.key("usage"))
    assert not ME.owns(Tenant("org_10").key("usage"))
