"""List differences between the deployed stage and its declaration, and mend them.

Undeclared stacks, rules, schedules and functions; disabled rules; functions with a reserved concurrency of 0; roles
whose policies were changed.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from cli import job_settings, operator_identity, options, output
from cli.exit_codes import CommandError, Exit
from cli.job_arguments import find_job
from cli.stage_settings import stage_settings
from shared.admin import audit, drift, role_drift, stage_drift, stage_removal, tick_delivery
from shared.admin.drift import FUNCTION, STACK, Undeclared
from shared.advised_commands import deployment
from shared.aws.cloud import Cloud
from shared.job import manifest, registry

EXAMPLES = (
    "drift --aws --stage prod",
    "drift --remove nightshift-prod-reports --reason 'group removed' --aws --stage prod",
    "drift --restore pricing --reason 'incident is over' --aws --stage prod",
)


def arguments(parser: argparse.ArgumentParser) -> None:
    action = parser.add_mutually_exclusive_group()
    action.add_argument(
        "--remove", metavar="NAME", help="delete the undeclared stack, rule, schedule or function (default: list)"
    )
    action.add_argument(
        "--restore",
        metavar="JOB|ROLE",
        help="enable the job's disabled rules and schedules, and remove a reserved concurrency of 0 from its function; "
        "or give a role the policies of its template (default: list)",
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON array, or with --remove or --restore one JSON object"
    )
    operator_identity.add_arguments(parser)
    options.add_arguments(parser)


def call(args: argparse.Namespace) -> int:
    if args.restore:
        return _restore(args)
    with stage_settings(options.stage(args)):
        found = registry.discover()
    if found.broken:
        errors = "\n".join(map(str, found.broken.values()))
        raise CommandError(Exit.WRONG_USE, f"{errors}\nIts jobs would seem to be undeclared; correct the module first")
    with options.open_cloud(args, reading=not args.remove) as cloud:
        jobs = manifest.of(job for job in found.jobs.values() if not job.stages or cloud.names.stage in job.stages)
        if args.remove:
            declared = drift.declared(cloud.names, jobs, registry.endpoints())
            return _remove(drift.find(cloud, declared), cloud, args)
        differences = stage_drift.find(cloud, jobs, registry.endpoints(), roles=True)
    if args.json:
        output.document([asdict(each) for each in differences])
    elif differences:
        rows = [[each.name, each.kind, each.stack, each.problem, each.fix] for each in differences]
        output.table(["name", "kind", "stack", "problem", "fix"], rows, spare=["stack"])
        output.notice("Compared with the jobs of this checkout: use the version that is deployed, or a later one.")
    else:
        output.notice("everything that is deployed is declared, and nothing declared is disabled or changed")
    return Exit.FAILED if differences else Exit.DONE


def _removal(resource: Undeclared, args: argparse.Namespace) -> str:
    """The command that removes the resource."""
    if resource.removed_by_deployment:
        return deployment(options.stage(args))
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
    scope = {"name": args.remove, "kinds": [each.kind for each in removable]}
    with _audited(cloud, args, "drift remove", scope) as entry:
        for resource in removable:
            _delete(cloud, resource)
            entry.add(resource.id)
    if args.json:
        output.document({"removed": [{"kind": each.kind, "name": each.name} for each in removable]})
    else:
        print("\n".join(f"{each.kind} {each.name} is removed" for each in removable))
    return Exit.DONE


def _delete(cloud: Cloud, resource: Undeclared) -> None:
    from botocore.exceptions import ClientError, WaiterError

    try:
        drift.remove(cloud, resource, output.notice)
    except ClientError as error:
        if "TerminationProtection" not in str(error):
            raise
        lift = stage_removal.unprotecting(cloud, resource.name)
        raise CommandError(Exit.REFUSED, f"{resource.name} is protected from deletion; first: {lift}") from error
    except WaiterError as error:
        what = "its events in CloudFormation have the reason" if resource.kind == STACK else "try again"
        raise CommandError(Exit.FAILED, f"{resource.kind} {resource.name} is not deleted: {error}; {what}") from error


def _restore(args: argparse.Namespace) -> int:
    if args.restore.startswith("nightshift-"):
        return _restore_role(args)
    job = find_job(args.restore)
    with options.open_cloud(args) as cloud, job_settings.load(job, cloud) as job:
        delivery = tick_delivery.read(cloud, job)
        if not delivery.restorable:
            known = delivery.unreadable or "its rules and schedules are enabled, and no concurrency of 0 is reserved"
            if delivery.missing and not delivery.unreadable:
                names = ", ".join(dict.fromkeys(name for _, name in delivery.missing))
                known = f"{names} does not exist; deploy it: {deployment(cloud.names.stage)}"
            raise CommandError(Exit.REFUSED, f"{job.name}: {known}; nothing was done")
        restored = [*delivery.disabled, *([(FUNCTION, delivery.throttled)] if delivery.throttled else [])]
        scope = {"job": job.name, "kinds": [kind for kind, _ in restored]}
        with _audited(cloud, args, "drift restore", scope) as entry:
            tick_delivery.restore(cloud, delivery)
            for _, name in restored:
                entry.add(name)
    if args.json:
        output.document({"restored": [{"kind": kind, "name": name} for kind, name in restored]})
    else:
        print("\n".join(f"{kind} {name} may start {job.name} again" for kind, name in restored))
    return Exit.DONE


def _restore_role(args: argparse.Namespace) -> int:
    with options.open_cloud(args) as cloud:
        stacks = [stack.name for stack in drift.stacks(cloud)]
        role = next((each for each in role_drift.find(cloud, stacks) if each.name == args.restore), None)
        if role is None:
            raise CommandError(
                Exit.REFUSED, f"no stack of this stage has a changed role {args.restore}; nothing was done"
            )
        with _audited(cloud, args, "drift restore", {"role": role.name, "kinds": [stage_drift.ROLE]}) as entry:
            role_drift.restore(cloud, role)
            entry.add(role.name)
    if args.json:
        output.document({"restored": [{"kind": stage_drift.ROLE, "name": role.name}]})
    else:
        print(f"{role.name} has the policies of its template again; before: {role.problem}")
    return Exit.DONE


def _audited(cloud: Cloud, args: argparse.Namespace, action: str, scope: dict[str, Any]) -> audit.OperatorAuditEntry:
    try:
        return audit.OperatorAuditEntry(
            cloud, action, operator_identity.operator(args, cloud), args.reason or "", scope
        )
    except audit.ReasonMissing as error:
        raise CommandError(Exit.WRONG_USE, str(error)) from None
