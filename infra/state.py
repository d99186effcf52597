"""State stack: tables, artifacts, alerts, secrets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from aws_cdk import CfnResource, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secrets
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra import removal, roles
from infra.deployment import Deployment
from shared import tables
from shared.aws.names import STATE_STACK
from shared.aws.permissions import Grant
from shared.http import internal_token
from shared.messages import claim_check

ALERTS = "alerts"
# The secrets that are generated. Every other secret is empty until an operator sets a value.
TOKEN = internal_token.SECRET
GENERATED = (TOKEN, internal_token.VIEWER_SECRET)
TOKEN_LENGTH = 48
# Days until objects expire that no job deletes: dead letters of jobs that no longer exist, plans that were not applied.
# Payloads outlive their messages (14 days) and the dead letters of those messages (37 days).
BACKSTOPS = {"dead": 45, "plans": 45, "exports": 14, claim_check.FOLDER: 60}
# Users' data: no version is retained for more than a day after its deletion.
PERSONAL = (tables.RAW, "exports/")


# `-c without-index=state/tenant` leaves an index out: an update of a stack creates one index of a table.
WITHOUT_INDEX = "without-index"


class UnknownIndex(Exception):
    """The index to leave out does not exist."""


class State(Stack):
    def __init__(self, scope: Construct, deployment: Deployment, grants: Iterable[Grant], **stack: Any) -> None:
        super().__init__(scope, deployment.names.stack(STATE_STACK), **stack)
        self.deployment = deployment
        self.left_out: str | None = self.node.try_get_context(WITHOUT_INDEX)
        wanted = {grant.resource for grant in grants}
        # The account's own topic has subscriptions and a policy of its owner.
        given = {ALERTS} if deployment.account.alerts_topic else set[str]()
        for topic in sorted({ALERTS, *_named("topic", wanted)} - given):
            self._topic(topic)
        # A secret costs 0.40 dollars a month, also without a value.
        used = filter(deployment.uses_secret, _named("secret", wanted))
        kept = [
            *map(self._table, tables.TABLES),
            *([] if deployment.account.bucket else [self._bucket()]),
            *map(self._secret, sorted({TOKEN, *used} - deployment.existing("secret"))),
            *map(self._key, sorted(_named("key", wanted))),
        ]
        for resource in kept:
            removal.keep(resource, production=deployment.names.production)

    def _table(self, table: tables.Table) -> CfnResource:
        indexes = indexes_of(table, self.left_out)
        attributes = {table.pk, table.sk, *(key for index in indexes for key in (index.pk, index.sk))}
        return dynamodb.CfnTable(
            self,
            f"Table-{table.name}",
            table_name=self.deployment.names.table(table.name),
            billing_mode="PAY_PER_REQUEST",
            key_schema=_keys(table.pk, table.sk),
            attribute_definitions=[
                dynamodb.CfnTable.AttributeDefinitionProperty(attribute_name=name, attribute_type="S")
                for name in sorted(attributes)
            ],
            global_secondary_indexes=[_index(index) for index in indexes] or None,
            time_to_live_specification=dynamodb.CfnTable.TimeToLiveSpecificationProperty(
                attribute_name=tables.TTL, enabled=True
            ),
            point_in_time_recovery_specification=dynamodb.CfnTable.PointInTimeRecoverySpecificationProperty(
                point_in_time_recovery_enabled=True
            ),
            deletion_protection_enabled=self.deployment.protected,
            sse_specification=self._table_encryption(),
        )

    def _table_encryption(self) -> dynamodb.CfnTable.SSESpecificationProperty | None:
        key = self.deployment.account.kms_key
        if not key:
            return None
        return dynamodb.CfnTable.SSESpecificationProperty(sse_enabled=True, sse_type="KMS", kms_master_key_id=key)

    def _bucket_encryption(self) -> s3.CfnBucket.ServerSideEncryptionRuleProperty:
        key = self.deployment.account.kms_key
        return s3.CfnBucket.ServerSideEncryptionRuleProperty(
            # One call of KMS for many objects.
            bucket_key_enabled=True if key else None,
            server_side_encryption_by_default=s3.CfnBucket.ServerSideEncryptionByDefaultProperty(
                sse_algorithm="aws:kms" if key else "AES256", kms_master_key_id=key or None
            ),
        )

    def _bucket(self) -> CfnResource:
        """Bucket of artifacts, dead letters and archives.

        Versioned: dead letters and archives must survive a mistaken overwrite. Old versions expire after 30 days.
        """
        bucket = s3.CfnBucket(
            self,
            "Artifacts",
            # Of the account's number where it is known: CloudFormation imports a resource only by a literal name.
            bucket_name=replace(self.deployment.names, account=self.account, region=self.region).bucket,
            bucket_encryption=s3.CfnBucket.BucketEncryptionProperty(
                server_side_encryption_configuration=[self._bucket_encryption()]
            ),
            public_access_block_configuration=s3.CfnBucket.PublicAccessBlockConfigurationProperty(
                block_public_acls=True,
                block_public_policy=True,
                ignore_public_acls=True,
                restrict_public_buckets=True,
            ),
            ownership_controls=s3.CfnBucket.OwnershipControlsProperty(
                rules=[s3.CfnBucket.OwnershipControlsRuleProperty(object_ownership="BucketOwnerEnforced")]
            ),
            versioning_configuration=s3.CfnBucket.VersioningConfigurationProperty(status="Enabled"),
            lifecycle_configuration=s3.CfnBucket.LifecycleConfigurationProperty(
                rules=[
                    _unused(),
                    *(_expiration(folder, days) for folder, days in self._expirations().items()),
                    *map(_personal, PERSONAL),
                ]
            ),
        )
        s3.CfnBucketPolicy(
            self,
            "ArtifactsPolicy",
            bucket=bucket.ref,
            policy_document=roles.document([roles.tls_only("s3:*", bucket.attr_arn, f"{bucket.attr_arn}/*")]),
        )
        return bucket

    def _expirations(self) -> dict[str, int]:
        """Days until objects expire, by folder."""
        # Results of effects expire after their rows: whole days, rounded up, and one more.
        effects = {
            f"effects/{job.name}": -(-job.effects // timedelta(days=1)) + 1
            for job in self.deployment.jobs.values()
            if job.effects
        }
        return {**BACKSTOPS, **effects}

    def _topic(self, name: str) -> None:
        names = self.deployment.names
        key = self.deployment.account.kms_key or None
        topic = sns.CfnTopic(self, f"Topic-{name}", topic_name=names.topic(name), kms_master_key_id=key)
        alarms_may_publish = {
            "Effect": "Allow",
            "Principal": {"Service": "cloudwatch.amazonaws.com"},
            "Action": "sns:Publish",
            "Resource": topic.ref,
            "Condition": {"StringEquals": {"aws:SourceAccount": names.account}},
        }
        sns.CfnTopicPolicy(
            self,
            f"TopicPolicy-{name}",
            topics=[topic.ref],
            policy_document=roles.document([alarms_may_publish, roles.tls_only("sns:Publish", topic.ref)]),
        )
        address = self.deployment.environment.get("NIGHTSHIFT_ALERTS_EMAIL") if name == ALERTS else None
        if address:
            sns.CfnSubscription(self, "AlertsEmail", topic_arn=topic.ref, protocol="email", endpoint=address)

    def _secret(self, name: str) -> CfnResource:
        generated = secrets.CfnSecret.GenerateSecretStringProperty(
            password_length=TOKEN_LENGTH, exclude_punctuation=True, include_space=False
        )
        return secrets.CfnSecret(
            self,
            f"Secret-{name}",
            name=self.deployment.names.secret(name),
            generate_secret_string=generated if name in GENERATED else None,
            kms_key_id=self.deployment.account.kms_key or None,
        )

    def _key(self, name: str) -> CfnResource:
        """Key whose policy allows the account; roles allow its use."""
        names = self.deployment.names
        account = {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:{names.partition}:iam::{names.account}:root"},
            "Action": "kms:*",
            "Resource": "*",
        }
        key = kms.CfnKey(
            self,
            f"Key-{name}",
            description=f"{names.of(name)}: created for the grants that name it",
            key_policy=roles.document([account]),
            enable_key_rotation=True,
        )
        kms.CfnAlias(self, f"Alias-{name}", alias_name=names.key(name), target_key_id=key.ref)
        return key


def _unused() -> s3.CfnBucket.RuleProperty:
    return s3.CfnBucket.RuleProperty(
        id="leftovers",
        status="Enabled",
        abort_incomplete_multipart_upload=s3.CfnBucket.AbortIncompleteMultipartUploadProperty(days_after_initiation=2),
        noncurrent_version_expiration=s3.CfnBucket.NoncurrentVersionExpirationProperty(noncurrent_days=30),
        expired_object_delete_marker=True,
    )


def _expiration(folder: str, days: int) -> s3.CfnBucket.RuleProperty:
    return s3.CfnBucket.RuleProperty(id=folder, status="Enabled", prefix=f"{folder}/", expiration_in_days=days)


def _personal(prefix: str) -> s3.CfnBucket.RuleProperty:
    return s3.CfnBucket.RuleProperty(
        id=f"{prefix}gone",
        status="Enabled",
        prefix=prefix,
        noncurrent_version_expiration=s3.CfnBucket.NoncurrentVersionExpirationProperty(noncurrent_days=1),
    )


def _named(kind: str, resources: Iterable[str]) -> set[str]:
    return {resource.partition("/")[2] for resource in resources if resource.startswith(f"{kind}/")}


def _keys(pk: str, sk: str) -> list[dynamodb.CfnTable.KeySchemaProperty]:
    return [
        dynamodb.CfnTable.KeySchemaProperty(attribute_name=pk, key_type="HASH"),
        dynamodb.CfnTable.KeySchemaProperty(attribute_name=sk, key_type="RANGE"),
    ]


def indexes_of(table: tables.Table, left_out: str | None) -> list[tables.Index]:
    """Return the table's indexes, without that of `-c without-index`.

    Raises UnknownIndex.
    """
    known = [f"{each.name}/{index.name}" for each in tables.TABLES for index in each.indexes]
    if left_out not in (None, *known):
        raise UnknownIndex(f"-c {WITHOUT_INDEX}={left_out}: there is no such index; name its table too: {known[0]}")
    return [index for index in table.indexes if f"{table.name}/{index.name}" != left_out]


def _index(index: tables.Index) -> dynamodb.CfnTable.GlobalSecondaryIndexProperty:
    projection = dynamodb.CfnTable.ProjectionProperty(
        projection_type="ALL" if index.whole else "INCLUDE" if index.include else "KEYS_ONLY",
        non_key_attributes=list(index.include) or None,
    )
    return dynamodb.CfnTable.GlobalSecondaryIndexProperty(
        index_name=index.name, key_schema=_keys(index.pk, index.sk), projection=projection
    )
