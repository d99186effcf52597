"""Print the addresses of the Function URLs of a stage."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from cli import options, output
from cli.exit_codes import CommandError, Exit
from shared.advised_commands import without_stage
from shared.aws.cloud import Cloud
from shared.aws.names import FRONT_STACK

if TYPE_CHECKING:
    from cli.shapes.deployment import EndpointAddress

EXAMPLES = ("urls --aws --stage prod", "urls --json --aws --stage prod")
# infra/public.py describes each output by it.
DESCRIPTION = "URL of "


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON array")
    options.add_arguments(parser)


def call(args: argparse.Namespace) -> int:
    if not args.aws:
        raise CommandError(
            Exit.WRONG_USE,
            f"urls reads a stage of an AWS account: add --aws and --stage; `{without_stage('up')}` prints those of the "
            "local cloud",
        )
    with options.open_cloud(args) as cloud:
        found = addresses(cloud)
        if not found:
            raise CommandError(Exit.NO_CLOUD, f"this stage has no address; {options.deployment_hint(args)}")
    if args.json:
        output.document(found)
    else:
        output.table(["endpoint", "address"], [[each["endpoint"], each["address"]] for each in found])
    return Exit.DONE


def addresses(cloud: Cloud) -> list[EndpointAddress]:
    """Outputs of the front stack; none if it is not deployed."""
    pages: Any = cloud.stacks.get_paginator("describe_stacks").paginate()
    found: list[EndpointAddress] = [
        {"endpoint": each["Description"].removeprefix(DESCRIPTION), "address": each["OutputValue"]}
        for page in pages
        for stack in page["Stacks"]
        if stack["StackName"] == cloud.names.stack(FRONT_STACK)
        for each in stack.get("Outputs", [])
        if each.get("Description", "").startswith(DESCRIPTION)
    ]
    return sorted(found, key=lambda each: each["endpoint"])
