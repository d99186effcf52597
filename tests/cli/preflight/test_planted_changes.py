"""Each dangerous change between two deployments is found, with a fix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cli import preflight
from cli.preflight.change import CREATE_ONLY, NAMED_BY, Change
from infra.finding import Finding, Severity
from tests.support.small_templates import GROUP, STATE, index, resource, small

Templates = dict[str, dict[str, Any]]
OTHER = "nightshift-prod-other"


def group(templates: Templates) -> dict[str, Any]:
    found: dict[str, Any] = templates[GROUP]["Resources"]
    return found


def state(templates: Templates) -> dict[str, Any]:
    found: dict[str, Any] = templates[STATE]["Resources"]
    return found


def put(part: dict[str, Any], **properties: Any) -> None:
    part["Properties"].update(properties)


def moved(templates: Templates) -> None:
    templates[OTHER] = {"Resources": {"Tick": group(templates).pop("Tick")}}


def renamed_construct(templates: Templates) -> None:
    group(templates)["Tock"] = group(templates).pop("Tick")


def payload(version: int, *reads: int, kind: str = "meal") -> Callable[[Templates], object]:
    def change(templates: Templates) -> None:
        group(templates)["Queue"]["Metadata"] = {
            "nightshift:payload": {"type": kind, "version": version, "reads": list(reads)}
        }

    return change


def indexes(*names: str, projection: str = "ALL") -> Callable[[Templates], object]:
    return lambda t: put(state(t)["Table"], GlobalSecondaryIndexes=[index(name, projection) for name in names])


def variables(**values: str) -> Callable[[Templates], object]:
    return lambda t: put(group(t)["Tick"], Environment={"Variables": {"NIGHTSHIFT_STAGE": "prod", **values}})


def unretained_table(templates: Templates) -> None:
    put(state(templates)["Table"], TableName="nightshift-prod-states")


REFUSED, WARNING = Severity.REFUSED, Severity.WARNING
# Name -> the change of the new templates, and check, severity and a part of the problem.
CHANGES: dict[str, tuple[Callable[[Templates], object], str, Severity, str]] = {
    "moved to another stack": (moved, "moved-name", REFUSED, "moves here"),
    "another logical id": (renamed_construct, "moved-name", REFUSED, "moves here"),
    "other keys of a table": (
        lambda t: put(state(t)["Table"], KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}]),
        "replacement",
        REFUSED,
        "KeySchema",
    ),
    "fifo": (lambda t: put(group(t)["Queue"], FifoQueue=True), "replacement", REFUSED, "FifoQueue"),
    "renamed table": (unretained_table, "replacement", WARNING, "is replaced by nightshift-prod-states"),
    "renamed bucket": (
        lambda t: put(state(t)["Bucket"], BucketName="nightshift-prod-things"),
        "replacement",
        REFUSED,
        "deleted with its content",
    ),
    "two new indexes": (indexes("due", "one", "two"), "index-changes", REFUSED, "2 indexes"),
    "another index": (indexes("one"), "index-changes", REFUSED, "due is deleted"),
    "another projection": (indexes("due", projection="KEYS_ONLY"), "index-changes", REFUSED, "projection"),
    "removed bucket": (lambda t: state(t).pop("Bucket"), "removal", REFUSED, "deleted with its content"),
    "removed queue": (lambda t: group(t).pop("Queue"), "removal", WARNING, "deleted with its messages"),
    "removed function": (lambda t: group(t).pop("Tick"), "removal", WARNING, "is deleted"),
    "removed group": (lambda t: t.pop(GROUP), "orphaned-stack", WARNING, "rules fire old code"),
    "no upcaster": (payload(3, 2, 3), "payload-version", WARNING, "version 1 has no upcaster to 3"),
    "another payload": (payload(1, 1, kind="drink"), "payload-version", WARNING, "was meal and is drink"),
    "older payload": (payload(1, 1), "payload-version", WARNING, "version 2 has no upcaster to 1"),
    "setting set": (variables(TICK_ENABLE="false"), "setting", WARNING, "from not set to 'false'"),
}


def found(change: Callable[[Templates], object], **context: Any) -> list[Finding]:
    after = small()
    change(after)
    return list(preflight.compare(Change("prod", small(), after, **context)))


def test_an_unchanged_deployment_has_no_findings() -> None:
    assert found(lambda _: None) == []


@pytest.mark.parametrize("name", CHANGES)
def test_a_dangerous_change_is_found_with_its_fix(name: str) -> None:
    change, check, severity, part = CHANGES[name]
    matching = [finding for finding in found(change) if finding.check == check and part in finding.problem]
    assert [finding.severity for finding in matching] == [severity]
    assert all(finding.fix and finding.where for finding in matching)


@pytest.mark.parametrize(
    "change",
    [
        indexes("due", "one"),
        indexes(),
        payload(3, 1, 2, 3),
        variables(NIGHTSHIFT_CODE_VERSION="2"),
        lambda t: put(group(t)["Tick"], MemorySize=512),
        lambda t: put(group(t)["TickRule"], ScheduleExpression="cron(0 5 * * ? *)"),
        lambda t: group(t).update(New=resource("SNS::Topic", TopicName="nightshift-prod-new")),
    ],
)
def test_what_cloudformation_can_update_is_no_finding(change: Callable[[Templates], object]) -> None:
    assert found(change) == []


def test_a_setting_that_another_deployer_had_set_is_named_with_the_reason() -> None:
    before = small()
    variables(TICK_ENABLE="false")(before)
    [finding] = preflight.compare(Change("prod", before, small()))
    assert finding.problem == "TICK_ENABLE changes from 'false' to not set, nothing sets it here"
    assert finding.fix == "to keep it, set it in stages/prod.toml"
    [other] = found(variables(TICK_ENABLE="no"), sources={"TICK_ENABLE": "stages/prod.toml"})
    assert other.problem.endswith("to 'no', by stages/prod.toml")


@pytest.mark.parametrize(
    ("region", "problems"),
    [
        ("eu-central-2", 1),
        ("us-gov-west-1", 1),
        ("ap-southeast-6", 1),
        ("eu-central-1", 0),
        ("us-gov-east-1", 0),
        ("", 0),
    ],
)
def test_a_region_without_function_urls_is_refused(region: str, problems: int) -> None:
    matching = [each for each in found(lambda _: None, region=region) if "Function URLs" in each.problem]
    assert [each.severity for each in matching] == [REFUSED] * problems


def test_the_table_of_properties_agrees_with_the_schemas_of_cfn_lint() -> None:
    from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

    for kind, name in NAMED_BY.items():
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
        assert f"/properties/{name}" in schema["createOnlyProperties"]
        # DynamoDB's schema lists keys as conditionally create-only.
        either = {*schema["createOnlyProperties"], *schema.get("conditionalCreateOnlyProperties", [])}
        assert {f"/properties/{each}" for each in CREATE_ONLY[kind]} - {"/properties/LocalSecondaryIndexes"} <= either
