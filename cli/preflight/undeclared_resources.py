"""Deployed stacks, rules, schedules and functions that nothing declares."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cli.preflight.change import Change, named_resources
from infra.finding import Finding, warning
from shared.admin import drift
from shared.admin.drift import FUNCTION, RULE, SCHEDULE, STACK
from shared.advised_commands import advised

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

CHECK = "undeclared"
KINDS = {"AWS::Lambda::Function": FUNCTION, "AWS::Events::Rule": RULE, "AWS::Scheduler::Schedule": SCHEDULE}


def check(change: Change, cloud: Cloud) -> Iterator[Finding]:
    """Resources that a deployment of the new templates leaves."""
    declared = {(KINDS[named.type], named.name) for named in named_resources(change.after, *KINDS)}
    declared |= {(STACK, stack) for stack in change.after}
    for each in drift.find(cloud, declared):
        # orphaned_stacks names the stacks and with them what they own.
        if each.kind != STACK and each.stack is None:
            yield warning(
                CHECK,
                each.name,
                f"the {each.kind} belongs to no stack and no job declares it; a deployment leaves it",
                advised(change.stage, "drift", "--remove", each.name, "--reason", "WHY"),
            )
