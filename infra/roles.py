"""From a job's grants to the one policy of its role. What is not granted is denied."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from shared import tables
from shared.aws.names import Names
from shared.aws.permissions import Grant

Statement = dict[str, Any]

TABLES = {table.name: table for table in tables.TABLES}
# Only these carry dynamodb:LeadingKeys; on any other, a condition on it would hold for want of the key.
KEYED = frozenset(
    f"dynamodb:{action}"
    for action in (
        *("GetItem", "BatchGetItem", "Query", "PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem"),
        *("ConditionCheckItem",),
    )
)


class GrantError(Exception):
    """A grant that no policy can say; the message says where and what to do."""


def statements(names: Names, grants: Iterable[Grant]) -> list[Statement]:
    """One statement for each set of actions and condition, resources together, in an order that never changes."""
    merged: dict[tuple[tuple[str, ...], tuple[str, ...], str, str, bool], set[str]] = {}
    for grant in grants:
        _check(grant)
        kind = (grant.actions, grant.keys, _alias(names, grant), _prefix(grant), grant.denied)
        merged.setdefault(kind, set()).update(_resources(names, grant))
    return [
        {
            **allow(actions, *sorted(resources), leading_keys=keys, alias=alias, prefix=prefix),
            "Effect": "Deny" if denied else "Allow",
        }
        for (actions, keys, alias, prefix, denied), resources in sorted(merged.items())
    ]


def allow(
    actions: tuple[str, ...], *resources: str, leading_keys: tuple[str, ...] = (), alias: str = "", prefix: str = ""
) -> Statement:
    statement: Statement = {"Effect": "Allow", "Action": list(actions), "Resource": list(resources)}
    if leading_keys:
        condition = {"dynamodb:LeadingKeys": list(leading_keys)}
        statement["Condition"] = {"ForAllValues:StringLike": condition}
    if alias:
        statement["Condition"] = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": alias}}
    if prefix:
        statement["Condition"] = {"StringLike": {"s3:prefix": prefix}}
    return statement


def document(statements: Iterable[Statement]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def trusts(service: str, **conditions: Any) -> dict[str, Any]:
    """An assume-role policy for that service."""
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole", **conditions}
    return document([statement])


def tls_only(actions: str, *resources: str) -> Statement:
    return {
        "Effect": "Deny",
        "Principal": "*",
        "Action": actions,
        "Resource": list(resources),
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def _resources(names: Names, grant: Grant) -> Iterator[str]:
    kind, _, name = grant.resource.partition("/")
    match kind:
        case "table":
            yield names.arn("dynamodb", f"table/{names.table(name)}")
            if TABLES[name].indexes and not grant.keys:
                yield names.arn("dynamodb", f"table/{names.table(name)}/index/*")
        case "bucket":
            yield f"arn:{names.partition}:s3:::{names.bucket}/{name}"
        case "listing":
            # The condition says of which names.
            yield f"arn:{names.partition}:s3:::{names.bucket}"
        case "secret":
            # Secrets Manager adds six characters of its own to the name.
            yield names.arn("secretsmanager", f"secret:{names.secret(name)}-??????")
        case "queue":
            yield names.arn("sqs", names.queue(name))
        case "topic":
            yield names.topic_arn(name)
        case "identity":
            yield names.arn("ses", f"identity/{name}")
        case "function":
            yield names.arn("lambda", f"function:{names.function(name)}")
        case "parameter" | "model":
            yield from _outside(names, kind, name)
        case "key":
            # It is known by its alias alone, which the condition names: stacks do not know each other's ids.
            yield names.arn("kms", "key/*")


def _outside(names: Names, kind: str, name: str) -> Iterator[str]:
    """What no stack of ours makes."""
    if kind == "parameter":
        yield names.arn("ssm", f"parameter/{names.secret(name)}")
        return
    # AWS's own models, and the profiles by which the capacity of several regions is shared.
    yield f"arn:{names.partition}:bedrock:*::foundation-model/{name}"
    yield names.arn("bedrock", f"inference-profile/{name}")


def _alias(names: Names, grant: Grant) -> str:
    kind, _, name = grant.resource.partition("/")
    return names.key(name) if kind == "key" else ""


def _prefix(grant: Grant) -> str:
    kind, _, name = grant.resource.partition("/")
    return name if kind == "listing" else ""


def _check(grant: Grant) -> None:
    kind, _, name = grant.resource.partition("/")
    ours = ("table", "bucket", "listing", "secret", "queue", "topic", "identity", "function", "key")
    known = (*ours, "parameter", "model")
    if kind not in known:
        raise GrantError(f"grant on {grant.resource!r}: infra/roles.py knows {', '.join(known)}, and no {kind!r}")
    if kind == "table" and name not in TABLES:
        raise GrantError(f"grant on {grant.resource!r}: no such table; declare it in shared/tables.py")
    if grant.keys and not KEYED.issuperset(grant.actions):
        loose = ", ".join(sorted(set(grant.actions) - KEYED))
        raise GrantError(f"grant on {grant.resource!r}: {loose} cannot be bounded by keys; grant it without, or not")
