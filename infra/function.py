"""Lambda function with its role and its log group."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from aws_cdk import CfnTag
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from infra import quotas, removal, roles
from infra.account_resources import AccountResources
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
        self.names, self.account = deployment.names, deployment.account
        bundled = assets.Asset(self, "Bundle", path=str(code.path), asset_hash=code.digest)
        # Read once: each read is a call of node.
        self.code = lambda_.CfnFunction.CodeProperty(s3_bucket=bundled.s3_bucket_name, s3_key=bundled.s3_object_key)
        # The S3 key of the bundle begins with it.
        self.version = bundled.asset_hash[:VERSION_DIGITS]
        self.managed_policies = [self._vpc_policy()] if self.account.subnets else None
        third_party = assets.Asset(self, "Packages", path=str(dependencies.path), asset_hash=dependencies.digest)
        self.layer: str = lambda_.CfnLayerVersion(
            self,
            "Layer",
            layer_name=f"{deployment.names.of(group)}-packages",
            content=lambda_.CfnLayerVersion.ContentProperty(
                s3_bucket=third_party.s3_bucket_name, s3_key=third_party.s3_object_key
            ),
            compatible_runtimes=[RUNTIME],
            compatible_architectures=[self.target.architecture],
            description="Third-party packages as pinned in uv.lock",
        ).ref

    def _vpc_policy(self) -> str:
        """One policy for all roles of the stack.

        As a part of each role, it would exceed IAM's limit.
        """
        statements = roles.in_vpc(self.names, self.account)
        return iam.CfnManagedPolicy(
            self,
            "Vpc",
            description="Network interfaces of the functions, for Lambda alone",
            policy_document=roles.document(statements),
        ).ref


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
    tags: Mapping[str, str] = field(default_factory=dict)


class Function(Construct):
    """Function with its role and its log group.

    `ref` and `arn` are tokens of its name and its ARN.
    """

    def __init__(self, scope: Construct, spec: FunctionSpec, allowed: Iterable[roles.Statement], code: Code) -> None:
        super().__init__(scope, "Run")
        # Created here, not by Lambda on the first call: then its lines would never expire.
        log_group = logs.CfnLogGroup(
            self,
            "Logs",
            log_group_name=f"/aws/lambda/{spec.name}",
            retention_in_days=spec.log_days,
            kms_key_id=code.account.kms_key or None,
        )
        removal.keep(log_group, production=code.production)
        write_logs = roles.allow(("logs:CreateLogStream", "logs:PutLogEvents"), log_group.attr_arn)
        statements = [write_logs, *allowed]
        if code.account.kms_key:
            statements.append(roles.use_key(code.names, code.account.kms_key, statements))
        role = iam.CfnRole(
            self,
            "Role",
            description=f"Grants of {spec.name}",
            assume_role_policy_document=roles.trusts("lambda.amazonaws.com"),
            policies=[iam.CfnRole.PolicyProperty(policy_name="grants", policy_document=roles.document(statements))],
            managed_policy_arns=code.managed_policies,
            permissions_boundary=code.account.permissions_boundary or None,
        )
        self.resource = lambda_.CfnFunction(
            self,
            "Function",
            function_name=spec.name,
            description=spec.description[:256],
            runtime=RUNTIME,
            architectures=[code.target.architecture],
            handler=spec.handler,
            code=code.code,
            layers=[code.layer],
            role=role.attr_arn,
            timeout=spec.timeout,
            memory_size=spec.memory,
            environment=lambda_.CfnFunction.EnvironmentProperty(
                variables={**spec.environment, CODE_VERSION: code.version}
            ),
            logging_config=lambda_.CfnFunction.LoggingConfigProperty(log_group=log_group.ref),
            vpc_config=_vpc(code.account),
            tags=[CfnTag(key=key, value=value) for key, value in spec.tags.items()] or None,
        )
        self.ref, self.arn = self.resource.ref, self.resource.attr_arn


def _vpc(account: AccountResources) -> lambda_.CfnFunction.VpcConfigProperty | None:
    if not account.subnets:
        return None
    return lambda_.CfnFunction.VpcConfigProperty(
        subnet_ids=list(account.subnets), security_group_ids=list(account.security_groups)
    )
