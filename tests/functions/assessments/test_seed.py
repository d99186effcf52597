"""Sample assessments belong to the organization and the member that the sample events name."""

from __future__ import annotations

from functions.assessments.seed import seed
from shared.aws.cloud import Cloud
from tests.support.sweeping import all_of


def test_assessments_of_the_organization_of_the_sample_event(cloud: Cloud) -> None:
    assert seed(cloud, 2) == {"organizations": 8, "assessments": 3}
    rows = all_of(cloud, "assessments")
    assert [row["sk"] for row in rows] == ["as-1-0", "as-1-1", "as_1"]
    assert {(row["pk"], row["user"]) for row in rows} == {("org_demo", "user_1")}
    assert ("org_demo", "member#user_1") in {(row["pk"], row["sk"]) for row in all_of(cloud, "organizations")}


def test_an_assessment_that_was_evaluated_stays(cloud: Cloud) -> None:
    seed(cloud, 1)
    done = {"pk": {"S": "org_demo"}, "sk": {"S": "as_1"}, "state": {"S": "completed"}}
    cloud.dynamodb.put_item(TableName=cloud.names.table("assessments"), Item=done)
    assert seed(cloud, 1) == {"organizations": 0, "assessments": 0}
    assert all_of(cloud, "assessments")[-1]["state"] == "completed"
