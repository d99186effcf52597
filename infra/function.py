"""Lambda function with its role and its log group."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from infra import quotas, removal, roles
from infra.bundle import bundle
from infra.deployment import Deployment
from infra.layer import layer
from infra.package import Package
from shared.aws.names import CELERY, CODE_VERSION
from shared.job import retention

RUNTIME = "python3.13"
# Digits of the bundle's hash that are the version of the code. A commit's id would redeploy every function.
VERSION_DIGITS = 12
# Days in ascending order, all of them accepted by CloudWatch.
LOG_DAYS = (7, 30, 90, 365)


def log_days(policy: str) -> int:
    """Log retention: at least three times that of a failed run's row."""
    return next(days for days in LOG_DAYS if days >= 3 * retention.read(policy).failed.age.days)


def packages(
    group: str, deployment: Deployment, *, with_manifest: bool, with_details: bool = False
) -> tuple[Package, Package]:
    """The group's bundle and its layer."""
    packed = bundle(group, deployment, with_manifest=with_manifest, with_details=with_details)
    return packed, layer(group, deployment.target, extras=(CELERY,) if deployment.uses_celery(group) else ())


class Code(Construct):
    """Bundle and layer of one group, once in its stack.

    Each stack has its own layer: a layer's ARN ends in a version number, which other stacks cannot know.
    """

    def __init__(
        self,
        scope: Construct,
        group: str,
        deployment: Deployment,
        *,
        with_manifest: bool,
        with_details: bool = False,
    ) -> None:
        super().__init__(scope, "Code")
        code, dependencies = packages(group, deployment, with_manifest=with_manifest, with_details=with_details)
        quotas.check_packages(f"functions/{group}", (code, dependencies))
        self.target = deployment.target
        self.production = deployment.names.production
        self.code = assets.Asset(self, "Bundle", path=str(code.path), asset_hash=code.digest)
        # The S3 key of the bundle begins with it.
        self.version = self.code.asset_hash[:VERSION_DIGITS]
        third_party = assets.Asset(self, "Packages", path=str(dependencies.path), asset_hash=dependencies.digest)
        self.layer = lambda_.CfnLayerVersion(
            self,
            "Layer",
            layer_name=f"{deployment.names.of(group)}-packages",
            content=lambda_.CfnLayerVersion.ContentProperty(
                s3_bucket=third_party.s3_bucket_name, s3_key=third_party.s3_object_key
            ),
            compatible_runtimes=[RUNTIME],
            compatible_architectures=[self.target.architecture],
            description="Third-party packages as pinned in uv.lock",
        )


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """Properties of a function.

    `name` is physical; timeout in seconds, memory in MB.
    """

    name: str
    handler: str
    description: str
    timeout: int
    memory: int
    log_days: int
    environment: Mapping[str, str]


class Function(Construct):
    def __init__(self, scope: Construct, spec: FunctionSpec, allowed: Iterable[roles.Statement], code: Code) -> None:
        super().__init__(scope, "Run")
        # Created here, not by Lambda on the first call: then its lines would never expire.
        log_group = logs.CfnLogGroup(
            self, "Logs", log_group_name=f"/aws/lambda/{spec.name}", retention_in_days=spec.log_days
        )
        removal.keep(log_group, production=code.production)
        write_logs = roles.allow(("logs:CreateLogStream", "logs:PutLogEvents"), log_group.attr_arn)
        role = iam.CfnRole(
            self,
            "Role",
            description=f"Grants of {spec.name}",
            assume_role_policy_document=roles.trusts("lambda.amazonaws.com"),
            policies=[
                iam.CfnRole.PolicyProperty(policy_name="grants", policy_document=roles.document([write_logs, *allowed]))
            ],
        )
        self.resource = lambda_.CfnFunction(
            self,
            "Function",
            function_name=spec.name,
            description=spec.description[:256],
            runtime=RUNTIME,
            architectures=[code.target.architecture],
            handler=spec.handler,
            code=lambda_.CfnFunction.CodeProperty(s3_bucket=code.code.s3_bucket_name, s3_key=code.code.s3_object_key),
            layers=[code.layer.ref],
            role=role.attr_arn,
            timeout=spec.timeout,
            memory_size=spec.memory,
            environment=lambda_.CfnFunction.EnvironmentProperty(
                variables={**spec.environment, CODE_VERSION: code.version}
            ),
            logging_config=lambda_.CfnFunction.LoggingConfigProperty(log_group=log_group.ref),
        )
