"""Services that the region lacks."""

from __future__ import annotations

from collections.abc import Iterator

from cli.preflight.change import Change
from infra.finding import Finding, refused
from infra.template import resources

CHECK = "region"
# Regions without Function URLs, as of 2026-11: https://docs.aws.amazon.com/lambda/latest/dg/urls-configuration.html
WITHOUT_URLS = frozenset(
    (
        *("ap-south-2", "ap-southeast-4", "ap-southeast-5", "ap-southeast-6", "ap-southeast-7", "ap-east-2"),
        *("ca-west-1", "eu-south-2", "eu-central-2", "il-central-1", "me-central-1", "us-gov-west-1"),
    )
)
# Resource type -> name of its service in botocore's list of endpoints.
SERVICES = {
    "AWS::Lambda::Function": "lambda",
    "AWS::Scheduler::Schedule": "scheduler",
    "AWS::DynamoDB::Table": "dynamodb",
    "AWS::Events::Rule": "events",
    "AWS::SQS::Queue": "sqs",
}


def check(change: Change) -> Iterator[Finding]:
    if not change.region:
        return
    yield from _urls(change)
    yield from _services(change)


def _urls(change: Change) -> Iterator[Finding]:
    urls = [resource.id for resource in resources(change.after, "AWS::Lambda::Url")]
    if urls and change.region in WITHOUT_URLS:
        yield refused(
            CHECK,
            change.region,
            f"this region has no Function URLs, and {len(urls)} functions need one",
            "deploy to another region, such as the nearest of eu-central-1, us-east-1, ap-southeast-1",
        )


def _services(change: Change) -> Iterator[Finding]:
    from botocore.session import get_session

    session = get_session()
    partition = session.get_partition_for_region(change.region)
    for kind, service in SERVICES.items():
        listed = session.get_available_regions(service, partition)
        if listed and change.region not in listed and any(resources(change.after, kind)):
            yield refused(
                CHECK,
                change.region,
                f"this region does not have {service}, or botocore does not know it",
                "deploy to another region, or update boto3",
            )
