"""Stacks whose state does not allow an update."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cli.preflight.change import Change
from infra.finding import Finding, refused
from shared.admin import drift

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

CHECK = "stack-state"
FIXES = {
    "ROLLBACK_COMPLETE": "delete it, then deploy: aws cloudformation delete-stack --stack-name {}",
    "ROLLBACK_FAILED": "delete it, then deploy: aws cloudformation delete-stack --stack-name {}",
    "CREATE_FAILED": "delete it, then deploy: aws cloudformation delete-stack --stack-name {}",
    "DELETE_FAILED": "remove what blocks its deletion (its events name it), then delete it again: "
    "aws cloudformation delete-stack --stack-name {}",
    "UPDATE_ROLLBACK_FAILED": "correct what its events name, then: aws cloudformation continue-update-rollback "
    "--stack-name {}",
    "REVIEW_IN_PROGRESS": "delete it, then deploy: aws cloudformation delete-stack --stack-name {}",
}


def check(change: Change, cloud: Cloud) -> Iterator[Finding]:  # noqa: ARG001 - the signature of all checks
    for stack in drift.stacks(cloud):
        fix = FIXES.get(stack.status)
        if fix is None and stack.status.endswith("_IN_PROGRESS"):
            fix = "wait until it has ended: aws cloudformation describe-stack-events --stack-name {}"
        if fix is not None:
            yield refused(CHECK, stack.name, f"its status is {stack.status}", fix.format(stack.name))
