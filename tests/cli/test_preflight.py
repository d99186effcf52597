"""`preflight` and `doctor` on folders of templates: exit codes, tables and documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shared.aws.cloud import Cloud
from tests.cli.conftest import Call
from tests.support.small_templates import GROUP, resource, small


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write(name: str, templates: dict[str, Any]) -> str:
        folder = tmp_path / name
        folder.mkdir()
        for stack, template in templates.items():
            (folder / f"{stack}.template.json").write_text(json.dumps(template))
        return str(folder)

    return write


def test_a_dangerous_change_ends_with_code_4_and_one_finding(call: Call, write: Any) -> None:
    after = small()
    after["nightshift-prod-other"] = {"Resources": {"Tick": after[GROUP]["Resources"].pop("Tick")}}
    words = ("preflight", "--old", write("old", small()), "--new", write("new", after))
    answer = call(*words, "--json")
    assert (answer.code, answer.json["refused"]) == (4, 1)
    assert answer.json["findings"][0]["check"] == "moved-name"
    shown = call(*words)
    assert (shown.code, "moved-name" in shown.out) == (4, True)
    assert "stop this deployment" in shown.err


def test_the_same_templates_end_with_code_0(call: Call, write: Any) -> None:
    folder = write("old", small())
    answer = call("preflight", "--old", folder, "--new", folder, "--json")
    assert (answer.code, answer.json) == (0, {"refused": 0, "findings": []})
    assert "nothing stops this deployment" in call("preflight", "--old", folder, "--new", folder).err


def test_a_folder_without_templates_and_an_unknown_revision_are_wrong_use(call: Call, tmp_path: Path) -> None:
    assert call("preflight", "--old", str(tmp_path), "--new", str(tmp_path)).code == 2
    answer = call("preflight", "--from", "no-such-revision", "--new", str(tmp_path))
    assert (answer.code, "no-such-revision" in answer.err) == (2, True)


def test_offline_and_online_contradict_each_other(call: Call) -> None:
    answer = call("preflight", "--from", "HEAD", "--aws", "--stage", "test")
    assert (answer.code, "leave out" in answer.err) == (2, True)


@pytest.mark.parametrize("resolved_before", [True, False])
def test_account_and_region_in_a_deployed_name_are_no_change(
    call: Call, write: Any, aws: Cloud, resolved_before: bool
) -> None:
    names = aws.names
    parts = ["nightshift-test-artifacts", {"Ref": "AWS::AccountId"}, {"Ref": "AWS::Region"}]
    forms = [f"nightshift-test-artifacts-{names.account}-{names.region}", {"Fn::Join": ["-", parts]}]
    before, after = (
        {"Bucket": resource("S3::Bucket", BucketName=form)} for form in forms[:: 1 if resolved_before else -1]
    )
    aws.stacks.create_stack(StackName="nightshift-test-state", TemplateBody=json.dumps({"Resources": before}))
    folder = write("new", {"nightshift-test-state": {"Resources": after}})
    answer = call("preflight", "--aws", "--stage", "test", "--new", folder, "--json")
    assert [each for each in answer.json["findings"] if "Bucket" in each["where"]] == []


def test_doctor_names_a_trap_of_a_template_and_ends_with_code_4(call: Call, write: Any, jobs: Path) -> None:
    broken = small()
    del broken[GROUP]["Resources"]["TickInvoke"]
    answer = call("doctor", "--templates", write("broken", broken), "--json")
    assert (answer.code, {each["check"] for each in answer.json["findings"]}) == (4, {"async-start"})
    assert call("doctor", "--templates", write("fine", small()), "--json").code == 0


def test_doctor_names_the_ticks_that_a_clock_change_skips_as_a_warning(call: Call, jobs: Path) -> None:
    good = jobs / "demo" / "good.py"
    good.write_text(good.read_text().replace("every(minutes=15)", 'daily(hour=2, minute=30, zone="Europe/Berlin")'))
    answer = call("doctor", "--declarations", "--json")
    assert (answer.code, answer.json["refused"]) == (0, 0)
    assert [each["check"] for each in answer.json["findings"]] == ["clock-change", "clock-change"]
    assert "functions/demo/good.py" in answer.json["findings"][0]["where"]
