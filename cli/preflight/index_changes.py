"""Tables of which more than one index changes in one update."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cli.preflight.change import Change, named_resources
from infra.finding import Finding, refused
from infra.template import plain

CHECK = "index-changes"
TABLE = "AWS::DynamoDB::Table"


def check(change: Change) -> Iterator[Finding]:
    before = {named.name: named for named in named_resources(change.before, TABLE)}
    for named in named_resources(change.after, TABLE):
        if named.name not in before:
            continue
        old, new = _indexes(before[named.name].properties), _indexes(named.properties)
        created, deleted = sorted(new.keys() - old.keys()), sorted(old.keys() - new.keys())
        for index in sorted(new.keys() & old.keys()):
            if new[index] != old[index]:
                yield refused(
                    CHECK,
                    named.where,
                    f"keys or projection of the index {index} of {named.name} change, which DynamoDB cannot do",
                    "declare an index of another name, deploy, then remove the old one and deploy again",
                )
        if len(created) + len(deleted) > 1:
            table = named.name.split("-", 2)[-1]
            changes = [*(f"{index} is created" for index in created), *(f"{index} is deleted" for index in deleted)]
            fix = "deploy once for each of them: see docs/howto/upgrade.md, a second new index of one table"
            if created:
                fix = f"deploy with `-c without-index={table}/{created[-1]}`, wait until the others are ACTIVE, repeat"
            yield refused(
                CHECK,
                named.where,
                f"{len(changes)} indexes of {named.name} change ({', '.join(changes)}); an update creates or deletes "
                "one index of a table",
                fix,
            )


def _indexes(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Keys and projection of each index."""
    indexes = properties.get("GlobalSecondaryIndexes") or []
    return {
        index["IndexName"]: (
            sorted((key["AttributeName"], key["KeyType"]) for key in plain(index["KeySchema"])),
            index.get("Projection", {}).get("ProjectionType"),
            sorted(index.get("Projection", {}).get("NonKeyAttributes") or []),
        )
        for index in indexes
    }
