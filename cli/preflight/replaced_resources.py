"""Named resources that CloudFormation would have to replace."""

from __future__ import annotations

from collections.abc import Iterator

from cli.preflight.change import CREATE_ONLY, NAMED_BY, STORES, Change, Named, named_resources
from infra.finding import Finding, refused, warning
from infra.template import plain

CHECK = "replacement"


def check(change: Change) -> Iterator[Finding]:
    before = {(named.stack, named.id): named for named in named_resources(change.before)}
    for named in named_resources(change.after):
        old = before.get((named.stack, named.id))
        if old is None or old.type != named.type:
            continue
        changed = [
            name
            for name in CREATE_ONLY[named.type]
            if plain(old.properties.get(name)) != plain(named.properties.get(name))
        ]
        if changed:
            yield _finding(old, named, changed)


def _finding(old: Named, named: Named, changed: list[str]) -> Finding:
    kind = named.type.rpartition(":")[2]
    if NAMED_BY[named.type] not in changed:
        return refused(
            CHECK,
            named.where,
            f"{', '.join(changed)} of the {kind} {named.name} changes, which needs a new resource; CloudFormation "
            "replaces no resource with a fixed name",
            "give it another name as well, and copy its data; or undo the change",
        )
    if named.type in STORES and not old.retained:
        return refused(
            CHECK,
            named.where,
            f"the {kind} {old.name} is replaced by {named.name}, and deleted with its content",
            "keep the name; or retain the old one (DeletionPolicy) and copy its content first",
        )
    return warning(
        CHECK,
        named.where,
        f"the {kind} {old.name} is replaced by {named.name}",
        "check that nothing outside of this deployment uses the old name",
    )
