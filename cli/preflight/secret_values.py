"""Secrets that the stage needs and that have no value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cli.preflight.change import Change, named_resources
from infra.finding import Finding, warning

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

CHECK = "secret"
# Secret -> the setting that makes jobs read it.
NEEDED_BY = {"alert-webhook": "ALERT_WEBHOOK_URL"}


def check(change: Change, cloud: Cloud) -> Iterator[Finding]:
    used = {
        name
        for named in named_resources(change.after, "AWS::Lambda::Function")
        for name in named.properties.get("Environment", {}).get("Variables", {})
    }
    prefix = cloud.names.secret("")
    secrets = {
        named.name.removeprefix(prefix): named for named in named_resources(change.after, "AWS::SecretsManager::Secret")
    }
    for name, setting in NEEDED_BY.items():
        if setting in used and name not in secrets and not _has_value(cloud, prefix + name):
            yield warning(
                CHECK,
                f"stages/{change.stage}.toml",
                f"{setting} is set, and the secret {prefix}{name} that it needs is not created",
                f'add "{name}" to `secrets` of the file',
            )
    for name, named in secrets.items():
        needed = name in change.secrets or NEEDED_BY.get(name) in used
        if needed and "GenerateSecretString" not in named.properties and not _has_value(cloud, named.name):
            yield warning(
                CHECK,
                named.where,
                f"the secret {named.name} has no value",
                f"after the deployment: aws secretsmanager put-secret-value --secret-id {named.name} "
                "--secret-string VALUE (docs/howto/deploy.md has the form)",
            )


def _has_value(cloud: Cloud, name: str) -> bool:
    try:
        stages = cloud.secrets.describe_secret(SecretId=name).get("VersionIdsToStages", {})
    except cloud.secrets.exceptions.ResourceNotFoundException:
        return False
    return any("AWSCURRENT" in each for each in stages.values())
