"""A target that a caller named is checked by the settings in force; a mistyped one changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.job import setting
from shared.job.definition import Job
from shared.job.idempotency import natural
from shared.job.outcome import Done, Outcome, Reason
from shared.run.context import RunContext
from shared.run.firing import Firing
from shared.run.run import run
from shared.run.target_check import NAMED, not_among, unknown_target
from tests.conftest import NOON, Calls, Lines, waiting

SHOPS = setting.names("CALLING_SHOPS", "a.example,b.example", "Shops")


class Calling(Job):
    """Call shops."""

    name = "calling"
    idempotency = natural("a call changes nothing")
    lease_per_target = False
    settings: ClassVar = (SHOPS, setting.names("CALLING_HOSTS", "a.example", "Hosts that may be called"))

    @classmethod
    def targets(cls, environment: Mapping[str, str] | None = None) -> tuple[str, ...] | None:
        shops: tuple[str, ...] = SHOPS.read(environment)
        return shops

    def work(self, run: RunContext) -> Outcome:
        return Done()


class Named(Job):
    """Process the item that is named."""

    name = "named"
    idempotency = natural("an item is processed once")
    by_name = True

    def work(self, run: RunContext) -> Outcome:
        return Done()

    def missing_target(self, target: str, cloud: Cloud) -> str:
        return "" if target == "ada" else f"there is no item {target}"


def rows(cloud: Cloud) -> list[dict[str, Any]]:
    return [attributes.plain(item) for item in cloud.dynamodb.scan(TableName=cloud.names.table("state"))["Items"]]


def test_targets_are_those_of_the_environment_in_force(cloud: Cloud) -> None:
    assert unknown_target(Calling(), "b.example", cloud) == ""
    cloud.environment = {"CALLING_SHOPS": "c.example"}
    assert unknown_target(Calling(), "c.example", cloud) == ""
    assert unknown_target(Calling(), "b.example", cloud) == "calling has no target 'b.example'; it has c.example"


def test_a_job_by_name_looks_its_items_up(cloud: Cloud) -> None:
    assert unknown_target(Named(), "ada", cloud) == ""
    assert unknown_target(Named(), "bob", cloud) == "there is no item bob"


def test_a_refusal_names_a_few_targets() -> None:
    many = [str(number) for number in range(NAMED + 3)]
    assert not_among(many, "sharded", "x").endswith("it has 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 3 more")
    assert not_among((), "sharded", "x") == "sharded has no target 'x'; it has none; leave the target out"


@pytest.mark.parametrize(("job", "target"), [(Calling(), "c.example"), (Named(), "bob")])
def test_a_manual_run_for_an_unknown_target_changes_nothing(cloud: Cloud, log: Lines, job: Job, target: str) -> None:
    firing = Firing(job.name, NOON, target=target, manual=True)
    report = run(job, firing, cloud, log)
    assert (report.outcome, report.ok) == (Reason.UNKNOWN_TARGET.value, True)
    assert rows(cloud) == []
    assert waiting(cloud) == waiting(cloud, "firings-dlq") == []


def test_an_unknown_target_is_answered_on_the_row_of_its_request(cloud: Cloud, log: Lines) -> None:
    run(Calling(), Firing("calling", NOON, target="c.example", manual=True, id="m1"), cloud, log)
    (row,) = rows(cloud)
    assert (row["pk"], row["sk"], row["outcome"]) == ("manual#calling", "m1", "unknown_target")
    assert row["note"] == "calling has no target 'c.example'; it has a.example, b.example"


def test_a_request_for_a_target_that_the_settings_forbid_is_not_the_status_of_the_job(cloud: Cloud, log: Lines) -> None:
    assert run(Calling(), Firing("calling", NOON), cloud, log).outcome == "done"
    report = run(Calling(), Firing("calling", NOON, target="b.example", manual=True), cloud, log)
    assert report.outcome == "forbidden"
    assert [row["status"]["outcome"] for row in rows(cloud) if "status" in row] == ["done"]


def test_a_tick_is_not_checked(cloud: Cloud) -> None:
    from shared.run.gates import first_closed

    calls = Calls(cloud)
    assert first_closed(Named(), Firing("named", NOON, target="bob"), cloud) is None
    assert calls.made == []
