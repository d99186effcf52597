"""Stacks that the app no longer has.

`cdk deploy --all` leaves them as they are.
"""

from __future__ import annotations

from collections.abc import Iterator

from cli.preflight.change import Change
from infra.finding import Finding, warning
from shared.advised_commands import advised

CHECK = "orphaned-stack"


def check(change: Change) -> Iterator[Finding]:
    for stack in sorted(change.before.keys() - change.after.keys()):
        yield warning(
            CHECK,
            stack,
            "no group has this stack anymore; a deployment leaves it, and its rules fire old code",
            f"after the deployment: {advised(change.stage, 'drift', '--remove', stack, '--reason', 'WHY')}",
        )
