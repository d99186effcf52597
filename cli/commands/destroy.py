"""Delete a stage: empty its bucket, and delete its stacks.

Resources that production retains stay, and are listed.
"""

from __future__ import annotations

import argparse

from cli import options, output
from cli.exit_codes import CommandError, Exit
from shared.admin import stage_removal
from shared.admin.stage_removal import Kept
from shared.aws.cloud import Cloud
from shared.aws.names import STATE_STACK

EXAMPLES = ("destroy --confirm dev --aws --stage dev",)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--confirm",
        metavar="STAGE",
        help="delete it: the name of the stage once more (default: print what would be deleted)",
    )
    options.add_arguments(parser)


def call(args: argparse.Namespace) -> int:
    if not args.aws:
        raise CommandError(Exit.WRONG_USE, "destroy deletes a stage of an AWS account: add --aws and --stage")
    with options.open_cloud(args) as cloud:
        if args.confirm != args.stage:
            found = ", ".join(stack.name for step in stage_removal.steps(cloud) for stack in step) or "none"
            again = options.advised(args, "destroy", "--confirm", args.stage)
            raise CommandError(Exit.REFUSED, f"its stacks: {found}. Nothing was done; to delete them: {again}")
        _refuse_protected(cloud)
        kept = _destroy(cloud)
    if kept:
        output.notice("These stay; docs/howto/deploy.md has how a deployment uses them again:")
        output.table(["type", "name"], [[each.kind, each.name] for each in kept])
    return Exit.DONE


def _refuse_protected(cloud: Cloud) -> None:
    if names := stage_removal.protected(cloud):
        lines = [stage_removal.unprotecting(cloud, name) for name in names]
        raise CommandError(
            Exit.REFUSED,
            "the stage is protected from deletion, and nothing was done. Deploy it with protected = false in its file, "
            "which lifts the protection of its tables, and lift that of its stacks:\n" + "\n".join(lines),
        )


def _destroy(cloud: Cloud) -> list[Kept]:
    from botocore.exceptions import WaiterError

    kept: list[Kept] = []
    for step in stage_removal.steps(cloud):
        of_step = [each for stack in step for each in stage_removal.kept(cloud, stack)]
        kept += of_step
        # The bucket's stack is deleted last: nothing writes to it any more. A bucket of the account is not the stage's.
        if (
            not cloud.names.given_bucket
            and cloud.names.stack(STATE_STACK) in [stack.name for stack in step]
            and not _is_kept(cloud, of_step)
        ):
            output.notice(f"deleted {stage_removal.empty_bucket(cloud):,} objects and versions of {cloud.names.bucket}")
        try:
            for stack in stage_removal.remove(cloud, step, output.notice):
                output.notice(f"deleted {stack.name}")
        except WaiterError as error:
            raise CommandError(
                Exit.FAILED,
                f"{error}; the events of the stack in CloudFormation have the reason. Correct it, then try again",
            ) from error
    return kept


def _is_kept(cloud: Cloud, kept: list[Kept]) -> bool:
    return cloud.names.bucket in [each.name for each in kept]
