"""Layers: what uv.lock pins, for Lambda's machine, without the parts that no function uses."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from infra import layer, platform
from infra.package import Package
from shared.job import registry


def names(made: Package) -> set[str]:
    with zipfile.ZipFile(made.path) as archive:
        return set(archive.namelist())


def test_the_layer_is_what_the_lock_file_says_for_lambdas_machine(tmp_path: Path) -> None:
    made = layer.layer("operations", platform.on_lambda())
    content = names(made)
    binaries = {name for name in content if name.endswith(".so")}
    assert binaries
    assert all("cpython-313-aarch64-linux" in name for name in binaries)
    assert {"python/pydantic/__init__.py", "python/cronsim/__init__.py", "python/botocore/__init__.py"} <= content
    assert {name.split("/")[0] for name in content} == {"python"}
    assert tmp_path.exists()


def test_the_sdk_is_cut_to_the_services_that_the_runtime_opens() -> None:
    content = names(layer.layer("operations", platform.on_lambda()))
    data = {name.split("/")[3] for name in content if name.startswith("python/botocore/data/") and name.count("/") > 3}
    assert data == set(layer.sdk_services())
    assert {"dynamodb", "sqs", "s3"} <= data
    assert "python/botocore/data/endpoints.json" in content


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('self._client("sqs")', ("sqs",)),
        ("self._client('sqs', QUICK); self._client('s3')", ("s3", "sqs")),
        ("self._client(service)", "cloud.py:1: pass the service as a literal"),
        ("session.client('sqs')", "opens no client"),
    ],
)
def test_a_service_that_the_cut_would_miss_is_an_error(tmp_path: Path, source: str, found: tuple[str] | str) -> None:
    (tmp_path / "shared" / "aws").mkdir(parents=True)
    (tmp_path / "shared" / "aws" / "cloud.py").write_text(source)
    if isinstance(found, str):
        with pytest.raises(layer.LayerError, match=found):
            layer.sdk_services(tmp_path)
    else:
        assert layer.sdk_services(tmp_path) == found


def test_every_service_that_a_function_may_call_is_in_the_layer() -> None:
    granted = [grant for job in registry.jobs().values() for grant in job.grants()]
    called = {action.partition(":")[0] for grant in granted for action in grant.actions}
    # What IAM knows by another name than the SDK.
    sdk = {"ses": "sesv2", "bedrock": "bedrock-runtime"}
    assert {sdk.get(service, service) for service in called} <= set(layer.sdk_services())


def test_requirements_are_exact_and_hashed_and_hold_no_tool_of_ours() -> None:
    wanted = layer.requirements("operations")
    pins = [line for line in wanted.splitlines() if line and not line.startswith((" ", "#"))]
    assert all("==" in line for line in pins)
    assert wanted.count("--hash=sha256:") >= len(pins)
    assert not {"aws-cdk-lib", "ministack", "pytest"} & {line.partition("==")[0] for line in pins}
