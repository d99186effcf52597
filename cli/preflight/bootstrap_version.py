"""Version of the CDK's bootstrap stack in the account."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cli.preflight.change import Change
from infra.finding import Finding, refused

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

CHECK = "bootstrap"
PARAMETER = "BootstrapVersion"
# Templates with assets require it.
LOWEST = 6


def check(change: Change, cloud: Cloud) -> Iterator[Finding]:
    where = f"account {cloud.names.account}, {cloud.names.region}"
    fix = f"cdk bootstrap aws://{cloud.names.account}/{cloud.names.region}"
    for name in sorted(_parameters(change)):
        try:
            version = int(cloud.parameters.get_parameter(Name=name)["Parameter"]["Value"])
        except cloud.parameters.exceptions.ParameterNotFound:
            yield refused(CHECK, where, f"the parameter {name} does not exist: the CDK has not been bootstrapped", fix)
            continue
        if version < LOWEST:
            yield refused(CHECK, where, f"the bootstrap stack has version {version}, {LOWEST} is required", fix)


def _parameters(change: Change) -> set[str]:
    """Parameters of Systems Manager that the templates read the version from."""
    found = (template.get("Parameters", {}).get(PARAMETER, {}) for template in change.after.values())
    return {str(parameter["Default"]) for parameter in found if "Default" in parameter}
