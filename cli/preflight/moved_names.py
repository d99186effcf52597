"""Physical names that another stack or another logical id claims.

CloudFormation creates in the new place before it deletes in the old one: "already exists".
"""

from __future__ import annotations

from collections.abc import Iterator

from cli.preflight.change import Change, named_resources
from infra.finding import Finding, refused
from shared.aws.names import FIRST, STACKS

CHECK = "moved-name"


def check(change: Change) -> Iterator[Finding]:
    before = {(named.type, named.name): named for named in named_resources(change.before)}
    for named in named_resources(change.after):
        old = before.get((named.type, named.name))
        if old is None or (old.stack, old.id) == (named.stack, named.id):
            continue
        kind = named.type.rpartition(":")[2]
        yield refused(
            CHECK,
            named.where,
            f"the {kind} {named.name} moves here from {old.where}; CloudFormation creates it before it deletes the "
            "old one, and fails since the name exists",
            _fix(old.stack, named.stack),
        )


def _fix(old: str, new: str) -> str:
    group = old.split("-", 2)[-1]
    if old == new or group in STACKS:
        return "deploy in two steps: first without it in either place, then with it in the new place"
    return f"deploy with -c {FIRST}={group}, which updates its old stack first: see docs/howto/remove-a-job.md"
