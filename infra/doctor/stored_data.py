"""Tables, buckets and queues: backups, retention, encryption, public access."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from infra.finding import Finding, refused, warning
from infra.template import Template, resources

CHECK = "data"
BLOCKS = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
MOST_INDEXES = 20


def check(templates: Mapping[str, Template]) -> Iterator[Finding]:
    yield from _tables(templates)
    yield from _buckets(templates)
    for queue in resources(templates, "AWS::SQS::Queue"):
        if not (queue.properties.get("SqsManagedSseEnabled") or queue.properties.get("KmsMasterKeyId")):
            yield warning(
                CHECK, f"{queue.stack}/{queue.id}", "its messages are not encrypted", "set SqsManagedSseEnabled: true"
            )


def _tables(templates: Mapping[str, Template]) -> Iterator[Finding]:
    for table in resources(templates, "AWS::DynamoDB::Table"):
        where, properties = f"{table.stack}/{table.id}", table.properties
        if not properties.get("PointInTimeRecoverySpecification", {}).get("PointInTimeRecoveryEnabled"):
            yield warning(
                CHECK,
                where,
                "a mistaken write cannot be undone: the table has no backups",
                "set PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled: true",
            )
        if len(properties.get("GlobalSecondaryIndexes") or []) > MOST_INDEXES:
            yield refused(CHECK, where, f"a table has at most {MOST_INDEXES} indexes", "merge indexes")
        if properties.get("BillingMode") != "PAY_PER_REQUEST":
            yield warning(
                CHECK, where, "provisioned capacity throttles bursts of ticks", "set BillingMode: PAY_PER_REQUEST"
            )
        if properties.get("DeletionProtectionEnabled") and not _retained(templates, table.stack, table.id):
            yield refused(
                CHECK,
                where,
                "the deletion of its stack fails: the table is protected, and not retained",
                "set DeletionPolicy: Retain, or RetainExceptOnCreate",
            )


def _buckets(templates: Mapping[str, Template]) -> Iterator[Finding]:
    for bucket in resources(templates, "AWS::S3::Bucket"):
        where, properties = f"{bucket.stack}/{bucket.id}", bucket.properties
        blocks = properties.get("PublicAccessBlockConfiguration", {})
        if not all(blocks.get(name) for name in BLOCKS):
            yield refused(CHECK, where, "it may be made public", "set all of PublicAccessBlockConfiguration")
        rules: list[Mapping[str, Any]] = properties.get("LifecycleConfiguration", {}).get("Rules", [])
        if properties.get("VersioningConfiguration", {}).get("Status") == "Enabled" and not any(
            "NoncurrentVersionExpiration" in rule for rule in rules
        ):
            yield warning(
                CHECK,
                where,
                "old versions of its objects never expire",
                "add a lifecycle rule with NoncurrentVersionExpiration",
            )


def _retained(templates: Mapping[str, Template], stack: str, identifier: str) -> bool:
    return str(templates[stack]["Resources"][identifier].get("DeletionPolicy", "")).startswith("Retain")
