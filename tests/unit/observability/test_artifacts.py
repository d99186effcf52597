"""Artifacts: history is never overwritten, the pointer never moves backwards."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from shared.aws.cloud import Cloud
from shared.observability.artifacts import ArtifactConflict, Artifacts
from tests.conftest import NOON

RECORD = {"kind": "pricing", "ok": True, "status": 200, "ms": 12}


def read(cloud: Cloud, key: str) -> Any:
    return json.loads(cloud.s3.get_object(Bucket=cloud.names.bucket, Key=key)["Body"].read())


def test_an_artifact_is_dated_and_latest_points_to_it(cloud: Cloud) -> None:
    key = Artifacts(cloud, "pricing").write(RECORD, "shop.example", NOON, "run-1")
    assert key == "pricing/shop.example/2026/03/02/run-1.json"
    assert read(cloud, key) == read(cloud, "pricing/shop.example/latest.json")
    assert read(cloud, key) == {**RECORD, "at": "2026-03-02T12:00:00.000Z", "host": "shop.example"}


def test_latest_never_moves_backwards_in_time(cloud: Cloud) -> None:
    artifacts = Artifacts(cloud, "pricing")
    artifacts.write(RECORD, "shop.example", NOON, "run-2")
    older = artifacts.write({**RECORD, "ok": False}, "shop.example", NOON - timedelta(minutes=1), "run-1")
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
    key = artifacts.write(RECORD, "shop.example", NOON, "run-1")
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
    key = Artifacts(cloud, "pricing").write(RECORD, "../../other/..", NOON, "run-1")
    assert key == "pricing/_.._other_/2026/03/02/run-1.json"
    assert Artifacts(cloud, "pricing").write(RECORD, "..", NOON, "run-1").startswith("pricing/-/")


def test_an_artifact_is_redacted(cloud: Cloud) -> None:
    key = Artifacts(cloud, "auth").write({**RECORD, "cookie": "sid=1", "note": "Bearer abcdefgh1234"}, "h", NOON, "r")
    kept = read(cloud, key)
    assert (kept["cookie"], kept["note"]) == ("[redacted]", "Bearer [redacted]")
