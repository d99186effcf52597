"""Validation of changed templates, with the CDK's own rules in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.infra.conftest import ROOT

SCRIPT = """
import json, sys
from pathlib import Path
from infra import node
node.choose()
from aws_cdk import App
from infra import template_validation
folder, results = Path(sys.argv[1]), []
for line in json.loads(sys.argv[2]):
    files = {}
    for stack, template in line.items():
        files[stack] = folder / f"{stack}.template.json"
        files[stack].write_text(json.dumps(template))
    try:
        results.append(template_validation.check(App(), files, "123456789012", "eu-west-1", folder / "valid"))
    except template_validation.TemplateError as error:
        results.append(str(error))
print(json.dumps(results))
"""


def queue(**properties: object) -> dict[str, object]:
    return {"Resources": {"Parcels": {"Type": "AWS::SQS::Queue", "Properties": properties}}}


def function(digest: str) -> dict[str, object]:
    properties = {
        "Runtime": "python3.13",
        "Handler": "a.b",
        "Role": "arn:aws:iam::123456789012:role/r",
        "Code": {"S3Bucket": "assets", "S3Key": f"{digest}.zip"},
        "Environment": {"Variables": {"NIGHTSHIFT_CODE_VERSION": digest[:12]}},
    }
    return {"Resources": {"Run": {"Type": "AWS::Lambda::Function", "Properties": properties}}}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[int | str]:
    steps = [
        {"one": queue(DelaySeconds=1), "two": function("a" * 64)},
        {"one": queue(DelaySeconds=1), "two": function("b" * 64)},
        {"one": queue(DelaySeconds=2), "two": function("b" * 64)},
        {"one": queue(DelaySeconds="soon"), "two": function("c" * 64)},
        {"one": queue(DelaySeconds="soon"), "two": function("c" * 64)},
    ]
    command = [sys.executable, "-c", SCRIPT, str(tmp_path_factory.mktemp("templates")), json.dumps(steps)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    answers: list[int | str] = json.loads(done.stdout.splitlines()[-1])
    return answers


@pytest.mark.timeout(300)
def test_templates_are_validated_once_for_each_content(results: list[int | str]) -> None:
    assert results[:3] == [2, 0, 1], "another hash of the code is no change"


@pytest.mark.timeout(300)
def test_a_violation_is_refused_each_time_with_its_place(results: list[int | str]) -> None:
    first, again = results[3:]
    assert "one.template.json: Parcels: " in str(first)
    assert "DelaySeconds" in str(first)
    assert again == first
