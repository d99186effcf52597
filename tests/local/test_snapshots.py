"""State after the local cloud was stopped or killed."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from local.engine import snapshots
from local.engine.embedded import Embedded
from local.engine.engine import Engine
from tests.local.conftest import eventually

BUCKET, TABLE = "artifacts", "state"


def fill(engine: Engine) -> None:
    engine.client("s3").create_bucket(Bucket=BUCKET)
    engine.client("dynamodb").create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    )


def put(engine: Engine, name: str) -> None:
    """A row and an object that belong together."""
    engine.client("dynamodb").put_item(TableName=TABLE, Item={"pk": {"S": name}})
    engine.client("s3").put_object(Bucket=BUCKET, Key=name, Body=name.encode())


def held(engine: Engine) -> tuple[set[str], set[str]]:
    rows = engine.client("dynamodb").scan(TableName=TABLE)["Items"]
    objects = engine.client("s3").list_objects_v2(Bucket=BUCKET).get("Contents", [])
    return {row["pk"]["S"] for row in rows}, {one["Key"] for one in objects}


def generation(engine: Engine) -> Any:
    manifest = engine.folder / "saved" / "manifest.json"
    return manifest.read_text() if manifest.exists() else None


def kill(engine: Engine) -> None:
    os.kill(engine.pid, signal.SIGKILL)
    engine.stop()


def test_a_clean_stop_saves_everything(tmp_path: Path) -> None:
    with Engine(tmp_path / "state") as engine:
        fill(engine)
        put(engine, "a")
        engine.client("sqs").create_queue(QueueName="work")
    with Engine(tmp_path / "state") as engine:
        assert held(engine) == ({"a"}, {"a"})
        assert engine.client("s3").get_object(Bucket=BUCKET, Key="a")["Body"].read() == b"a"
        assert engine.client("sqs").list_queues()["QueueUrls"]


def test_a_fresh_start_deletes_everything(tmp_path: Path) -> None:
    with Engine(tmp_path / "state") as engine:
        fill(engine)
    with Engine(tmp_path / "state", fresh=True) as engine:
        assert engine.client("dynamodb").list_tables()["TableNames"] == []
        assert engine.client("s3").list_buckets()["Buckets"] == []


def test_a_kill_loses_rows_and_objects_since_the_last_save(tmp_path: Path) -> None:
    with Engine(tmp_path / "state") as engine:
        fill(engine)
        put(engine, "saved")
        engine.client("s3").put_object(Bucket=BUCKET, Key="overwritten", Body=b"before")
        engine.save()
        put(engine, "lost")
        engine.client("s3").put_object(Bucket=BUCKET, Key="overwritten", Body=b"after")
        engine.client("s3").delete_object(Bucket=BUCKET, Key="saved")
        kill(engine)
    with Engine(tmp_path / "state") as engine:
        assert held(engine) == ({"saved"}, {"saved", "overwritten"})
        assert engine.client("s3").get_object(Bucket=BUCKET, Key="overwritten")["Body"].read() == b"before"


def test_a_kill_loses_a_few_seconds_at_most(tmp_path: Path) -> None:
    assert snapshots.SECONDS <= 5
    with Engine(tmp_path / "state") as engine:
        fill(engine)
        before = generation(engine)
        put(engine, "a")
        eventually(lambda: generation(engine) not in (None, before), snapshots.SECONDS + 3)
        kill(engine)
    with Engine(tmp_path / "state") as engine:
        assert held(engine) == ({"a"}, {"a"})


def test_reading_saves_nothing(tmp_path: Path) -> None:
    with Engine(tmp_path / "state") as engine:
        fill(engine)
        engine.save()
        before = generation(engine)
        held(engine)
        engine.client("dynamodb").get_item(TableName=TABLE, Key={"pk": {"S": "a"}})
        time.sleep(snapshots.SECONDS + 0.5)
        assert generation(engine) == before


def test_files_of_older_states_are_removed(tmp_path: Path) -> None:
    with Engine(tmp_path / "state") as engine:
        fill(engine)
        for name in "abc":
            put(engine, name)
            engine.save()
        saved = engine.folder / "saved"
        assert len(list(saved.glob("dynamodb.*.json"))) == 1
        assert len(list(saved.glob("s3.objects.*"))) == 1


def test_versions_and_conditions_of_objects_survive(tmp_path: Path) -> None:
    with Engine(tmp_path / "state") as engine:
        s3 = engine.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        s3.put_object(Bucket=BUCKET, Key="a/b c.json", Body=b"1")
        s3.put_object(Bucket=BUCKET, Key="a/b c.json", Body=b"2")
    with Engine(tmp_path / "state") as engine:
        s3 = engine.client("s3")
        assert len(s3.list_object_versions(Bucket=BUCKET)["Versions"]) == 2
        with pytest.raises(s3.exceptions.ClientError) as refused:
            s3.put_object(Bucket=BUCKET, Key="a/b c.json", Body=b"3", IfNoneMatch="*")
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412


def test_the_state_of_tables_is_all_that_ministack_would_save(engine: Embedded) -> None:
    from local.engine import emulator

    assert engine.endpoint
    assert set(snapshots._tables()) == set(emulator.service("dynamodb").get_state())
