"""Services that a region lacks, for synthesis and preflight."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from infra.template import Template, resources

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


class RegionError(Exception):
    """The region lacks services: one line for each, with the fix."""


def missing(templates: Mapping[str, Template], region: str) -> Iterator[tuple[str, str]]:
    """Missing services, each with its remedy."""
    from botocore.session import get_session

    urls = [resource.id for resource in resources(templates, "AWS::Lambda::Url")]
    if urls and region in WITHOUT_URLS:
        yield (
            f"this region has no Function URLs, and {len(urls)} functions need one",
            "deploy to another region, such as the nearest of eu-central-1, us-east-1, ap-southeast-1",
        )
    session = get_session()
    partition = session.get_partition_for_region(region)
    for kind, service in SERVICES.items():
        listed = session.get_available_regions(service, partition)
        if listed and region not in listed and any(resources(templates, kind)):
            yield (
                f"this region does not have {service}, or botocore does not know it",
                "deploy to another region, or update boto3",
            )


def check(templates: Mapping[str, Template], region: str | None) -> None:
    """Refuse a region that lacks a service.

    None: it is not known. Raises RegionError.
    """
    lines = [f"{region}: {what}; {remedy}" for what, remedy in missing(templates, region)] if region else []
    if lines:
        raise RegionError("\n".join(lines))
