"""List deployed resources that no job or endpoint declares, and remove them.

`drift`, `drift --remove NAME --reason WHY`.
"""

from __future__ import annotations

import argparse
from typing import Any

from cli import operator_identity, options, output
from cli.exit_codes import CommandError, Exit
from shared.admin import audit, drift
from shared.admin.drift import STACK, Undeclared
from shared.advised_commands import deployment, without_stage
from shared.aws.cloud import Cloud
from shared.job import registry

EXAMPLES = (
    "drift --aws --stage prod",
    "drift --remove nightshift-prod-reports --reason 'group removed' --aws --stage prod",
)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--remove", metavar="NAME", help="delete the undeclared stack, rule, schedule or function")
    parser.add_argument("--json", action="store_true", help="print one JSON array, or with --remove one JSON object")
    operator_identity.add_arguments(parser)
    options.add_arguments(parser)


def call(args: argparse.Namespace) -> int:
    found = registry.discover()
    if found.broken:
        errors = "\n".join(map(str, found.broken.values()))
        raise CommandError(Exit.WRONG_USE, f"{errors}\nIts jobs would seem to be undeclared; correct the module first")
    with options.open_cloud(args, reading=not args.remove) as cloud:
        undeclared = drift.find(cloud, drift.declared(cloud.names, found.jobs.values(), registry.endpoints()))
        if args.remove:
            return _remove(undeclared, cloud, args)
    if args.json:
        output.document([resource_data(resource, args) for resource in undeclared])
    elif undeclared:
        rows = [[each.name, each.kind, each.stack, _removal(each, args)] for each in undeclared]
        output.table(["name", "kind", "stack", "remove by"], rows, spare=["stack"])
        output.notice("Compared with the jobs of this checkout: use the version that is deployed, or a later one.")
    else:
        output.notice("everything that is deployed is declared")
    return Exit.FAILED if undeclared else Exit.DONE


def resource_data(resource: Undeclared, args: argparse.Namespace) -> dict[str, Any]:
    """An undeclared resource as `drift --json` shows it.

    `stack` is null for a stack, and for a resource that belongs to none.
    """
    return {
        "kind": resource.kind,
        "name": resource.name,
        "stack": resource.stack,
        "remove": _removal(resource, args),
    }


def _removal(resource: Undeclared, args: argparse.Namespace) -> str:
    """The command that removes the resource."""
    if resource.removed_by_deployment:
        return deployment(options.stage(args)) if args.aws else without_stage("up")
    return options.advised(args, "drift", "--remove", resource.stack or resource.name, "--reason", "WHY")


def _remove(undeclared: list[Undeclared], cloud: Cloud, args: argparse.Namespace) -> int:
    named = [each for each in undeclared if each.name == args.remove]
    if not named:
        listing = options.advised(args, "drift")
        raise CommandError(
            Exit.REFUSED, f"nothing undeclared has the name {args.remove!r}; nothing was done. `{listing}` lists names"
        )
    # A rule and its function have one name. What belongs to a stack is removed with it.
    removable = [each for each in named if each.stack is None]
    if not removable:
        raise CommandError(
            Exit.REFUSED,
            f"{args.remove} belongs to the stack {named[0].stack}; nothing was done. Remove it by: "
            f"{_removal(named[0], args)}",
        )
    try:
        entry = audit.OperatorAuditEntry(
            cloud,
            "drift remove",
            operator_identity.operator(args, cloud),
            args.reason or "",
            {"name": args.remove, "kinds": [each.kind for each in removable]},
        )
    except audit.ReasonMissing as error:
        raise CommandError(Exit.WRONG_USE, str(error)) from None
    with entry:
        for resource in removable:
            _delete(cloud, resource)
            entry.add(resource.id)
    if args.json:
        output.document({"removed": [{"kind": each.kind, "name": each.name} for each in removable]})
    else:
        print("\n".join(f"{each.kind} {each.name} is removed" for each in removable))
    return Exit.DONE


def _delete(cloud: Cloud, resource: Undeclared) -> None:
    from botocore.exceptions import WaiterError

    try:
        drift.remove(cloud, resource, output.notice)
    except WaiterError as error:
        what = "its events in CloudFormation have the reason" if resource.kind == STACK else "try again"
        raise CommandError(Exit.FAILED, f"{resource.kind} {resource.name} is not deleted: {error}; {what}") from error
