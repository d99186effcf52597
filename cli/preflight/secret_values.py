"""Secrets without a value that a setting of the new templates needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cli.preflight.change import Change, named_resources
from infra.finding import Finding, warning

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

CHECK = "secret"
# Secret -> the setting that makes jobs read it; None: read whenever its job runs.
NEEDED_BY = {"alert-webhook": "ALERT_WEBHOOK_URL", "plugin-webhook": "PLUGIN_WEBHOOK_URL"}


def check(change: Change, cloud: Cloud) -> Iterator[Finding]:
    set_here = {
        name
        for named in named_resources(change.after, "AWS::Lambda::Function")
        for name in named.properties.get("Environment", {}).get("Variables", {})
    }
    prefix = cloud.names.secret("")
    for named in named_resources(change.after, "AWS::SecretsManager::Secret"):
        name = named.name.removeprefix(prefix)
        setting = NEEDED_BY.get(name)
        if "GenerateSecretString" in named.properties or (name in NEEDED_BY and setting not in set_here):
            continue
        if name not in change.secrets and setting is None:
            continue
        if not _has_value(cloud, named.name):
            yield warning(
                CHECK,
                named.where,
                f"the secret {named.name} has no value" + (f", and {setting} is set" if setting else ""),
                f"after the deployment: aws secretsmanager put-secret-value --secret-id {named.name} "
                "--secret-string VALUE (docs/howto/deploy.md has the form)",
            )


def _has_value(cloud: Cloud, name: str) -> bool:
    try:
        stages = cloud.secrets.describe_secret(SecretId=name).get("VersionIdsToStages", {})
    except cloud.secrets.exceptions.ResourceNotFoundException:
        return False
    return any("AWSCURRENT" in each for each in stages.values())
