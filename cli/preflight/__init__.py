"""Checks before a deployment, one module each.

Each has `check(change)`, or `check(change, cloud)`.

change                  templates before and after, and their named resources
moved_names, replaced_resources, index_changes, removed_resources, orphaned_stacks, payload_versions,
changed_settings, region_services      compare templates
busy_resources, stack_states, existing_names, concurrency_pool, bootstrap_version, mail_sender, subscriptions,
secret_values, undeclared_resources    read the account
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from cli.preflight import (
    bootstrap_version,
    busy_resources,
    changed_settings,
    concurrency_pool,
    existing_names,
    index_changes,
    mail_sender,
    moved_names,
    orphaned_stacks,
    payload_versions,
    region_services,
    removed_resources,
    replaced_resources,
    secret_values,
    stack_states,
    subscriptions,
    undeclared_resources,
)
from cli.preflight.change import Change
from infra.finding import Finding, warning
from infra.template import Template, resolved
from shared.admin import deployed_template, drift

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

OF_TEMPLATES = (
    moved_names,
    replaced_resources,
    index_changes,
    removed_resources,
    orphaned_stacks,
    payload_versions,
    changed_settings,
    region_services,
)
OF_ACCOUNT = (
    stack_states,
    existing_names,
    busy_resources,
    bootstrap_version,
    concurrency_pool,
    mail_sender,
    subscriptions,
    secret_values,
    undeclared_resources,
)


def deployed(cloud: Cloud) -> dict[str, Template]:
    """Templates of the stage's stacks, as CloudFormation has them."""
    return {stack.name: deployed_template.read(cloud, stack.name).template for stack in drift.stacks(cloud)}


def in_account(templates: Mapping[str, Template], cloud: Cloud) -> dict[str, Template]:
    """Templates with the account and the region of the cloud.

    The deployed templates may have them as text where those of a synthesis have references, or the reverse.
    """
    pseudo = deployed_template.pseudo_parameters(cloud.names)
    return {stack: resolved(template, pseudo) for stack, template in templates.items()}


def compare(change: Change) -> Iterator[Finding]:
    """Findings of the templates alone."""
    for module in OF_TEMPLATES:
        yield from module.check(change)


def examine(change: Change, cloud: Cloud) -> Iterator[Finding]:
    """Findings of the account.

    A check that may not read it is a warning.
    """
    from botocore.exceptions import ClientError

    for module in OF_ACCOUNT:
        try:
            yield from module.check(change, cloud)
        except ClientError as error:
            yield warning(
                module.CHECK,
                f"account {cloud.names.account}",
                f"this check could not read the account: {error}",
                "grant these credentials the call, or check by hand",
            )
