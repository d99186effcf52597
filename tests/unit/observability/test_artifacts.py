"""Artifacts: history is never overwritten, the pointer never moves backwards."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from shared.aws.cloud import Cloud
from shared.observability.artifacts import ArtifactConflict, Artifacts
from tests.conftest import NOON, Calls

RECORD = {"kind": "pricing", "ok": True, "status": 200, "ms": 12}


def read(cloud: Cloud, key: str) -> Any:
    return json.loads(cloud.s3.get_object(Bucket=cloud.names.bucket, Key=key)["Body"].read())


def test_an_artifact_is_dated_and_latest_points_to_it(cloud: Cloud) -> None:
    key = Artifacts(cloud, "pricing").write(RECORD, "shop.example", NOON, "run-1").key
    assert key == "pricing/shop.example/2026/03/02/run-1.json"
    assert read(cloud, key) == read(cloud, "pricing/shop.example/latest.json")
    assert read(cloud, key) == {**RECORD, "at": "2026-03-02T12:00:00.000Z", "host": "shop.example"}


def test_latest_never_moves_backwards_in_time(cloud: Cloud) -> None:
    artifacts = Artifacts(cloud, "pricing")
    artifacts.write(RECORD, "shop.example", NOON, "run-2")
    older = artifacts.write({**RECORD, "ok": False}, "shop.example", NOON - timedelta(minutes=1), "run-1").key
    assert read(cloud, older)["ok"] is False
    assert read(cloud, "pricing/shop.example/latest.json")["ok"] is True


@pytest.mark.parametrize(("ahead", "stands"), [({"minutes": 59}, True), ({"hours": 2}, False), ({"days": 365}, False)])
def test_a_pointer_far_ahead_of_the_clock_is_replaced(cloud: Cloud, ahead: dict[str, float], stands: bool) -> None:
    artifacts = Artifacts(cloud, "pricing")
    artifacts.write({**RECORD, "ms": 99}, "shop.example", NOON + timedelta(**ahead), "run-1")
    artifacts.write({**RECORD, "ms": 50}, "shop.example", NOON, "run-2")
    assert read(cloud, "pricing/shop.example/latest.json")["ms"] == (99 if stands else 50)


def test_a_dated_object_is_never_overwritten(cloud: Cloud) -> None:
    artifacts = Artifacts(cloud, "pricing")
    key = artifacts.write(RECORD, "shop.example", NOON, "run-1").key
    artifacts.write({**RECORD, "ok": False}, "shop.example", NOON, "run-1")
    assert read(cloud, key)["ok"] is True


def test_a_pointer_that_moved_while_it_was_read_is_read_again(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    artifacts = Artifacts(cloud, "pricing")
    artifacts.write(RECORD, "shop.example", NOON, "run-1")
    real, rival = cloud.s3.get_object, [NOON + timedelta(minutes=5)]

    def overtaken(**asked: Any) -> Any:
        answer = real(**asked)
        if rival:
            at = rival.pop()
            Artifacts(cloud, "pricing").write({**RECORD, "ms": 99}, "shop.example", at, "run-3")
        return answer

    monkeypatch.setattr(cloud.s3, "get_object", overtaken)
    artifacts.write({**RECORD, "ms": 50}, "shop.example", NOON + timedelta(minutes=2), "run-2")
    monkeypatch.undo()
    assert read(cloud, "pricing/shop.example/latest.json")["ms"] == 99


def test_a_pointer_that_others_keep_moving_is_an_error(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    artifacts = Artifacts(cloud, "pricing")
    artifacts.write(RECORD, "shop.example", NOON, "run-1")
    real = cloud.s3.get_object
    monkeypatch.setattr(cloud.s3, "get_object", lambda **asked: {**real(**asked), "ETag": '"stale"'})
    with pytest.raises(ArtifactConflict, match="moved 5 times"):
        artifacts.write(RECORD, "shop.example", NOON + timedelta(minutes=1), "run-2")


def test_a_host_cannot_leave_its_folder(cloud: Cloud) -> None:
    key = Artifacts(cloud, "pricing").write(RECORD, "../../other/..", NOON, "run-1").key
    assert key == "pricing/_.._other_/2026/03/02/run-1.json"
    assert Artifacts(cloud, "pricing").write(RECORD, "..", NOON, "run-1").key.startswith("pricing/-/")


def test_an_artifact_is_redacted(cloud: Cloud) -> None:
    key = (
        Artifacts(cloud, "auth").write({**RECORD, "cookie": "sid=1", "note": "Bearer abcdefgh1234"}, "h", NOON, "r").key
    )
    kept = read(cloud, key)
    assert (kept["cookie"], kept["note"]) == ("[redacted]", "Bearer [redacted]")


def test_the_pointer_of_the_last_run_saves_a_read(cloud: Cloud) -> None:
    artifacts, calls = Artifacts(cloud, "pricing"), Calls(cloud)
    first = artifacts.write(RECORD, "shop.example", NOON, "run-1")
    calls.clear()
    second = artifacts.write({**RECORD, "ms": 50}, "shop.example", NOON + timedelta(minutes=1), "run-2", first.pointer)
    assert calls.made == ["s3:PutObject", "s3:PutObject"]
    assert read(cloud, "pricing/shop.example/latest.json")["ms"] == 50
    assert second.pointer is not None
    assert second.pointer.at == "2026-03-02T12:01:00.000Z"


def test_an_outdated_pointer_is_read_again(cloud: Cloud) -> None:
    artifacts = Artifacts(cloud, "pricing")
    first = artifacts.write(RECORD, "shop.example", NOON, "run-1")
    artifacts.write({**RECORD, "ms": 99}, "shop.example", NOON + timedelta(minutes=5), "run-3")
    older = artifacts.write({**RECORD, "ms": 50}, "shop.example", NOON + timedelta(minutes=2), "run-2", first.pointer)
    assert older.pointer is None
    assert read(cloud, "pricing/shop.example/latest.json")["ms"] == 99
    artifacts.write({**RECORD, "ms": 10}, "shop.example", NOON + timedelta(minutes=9), "run-4", first.pointer)
    assert read(cloud, "pricing/shop.example/latest.json")["ms"] == 10


def test_a_run_that_began_before_the_known_pointer_leaves_it(cloud: Cloud) -> None:
    artifacts = Artifacts(cloud, "pricing")
    newer = artifacts.write({**RECORD, "ms": 99}, "shop.example", NOON, "run-2")
    artifacts.write(RECORD, "shop.example", NOON - timedelta(minutes=1), "run-1", newer.pointer)
    assert read(cloud, "pricing/shop.example/latest.json")["ms"] == 99


def test_a_pointer_that_was_deleted_is_written_anew(cloud: Cloud) -> None:
    artifacts = Artifacts(cloud, "pricing")
    first = artifacts.write(RECORD, "shop.example", NOON, "run-1")
    cloud.s3.delete_object(Bucket=cloud.names.bucket, Key="pricing/shop.example/latest.json")
    artifacts.write({**RECORD, "ms": 50}, "shop.example", NOON + timedelta(minutes=1), "run-2", first.pointer)
    assert read(cloud, "pricing/shop.example/latest.json")["ms"] == 50
