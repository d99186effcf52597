"""Policy statements of a role, from its job's grants.

Everything else is denied.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from infra.account_resources import AccountResources
from shared import tables
from shared.aws.names import Names
from shared.aws.permissions import SENDER_IDENTITY, Grant

Statement = dict[str, Any]

TABLES = {table.name: table for table in tables.TABLES}
# Only these requests have dynamodb:LeadingKeys; for all others a condition on it is true, since the key is absent.
KEYED = frozenset(
    f"dynamodb:{action}"
    for action in (
        *("GetItem", "BatchGetItem", "Query", "PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem"),
        *("ConditionCheckItem",),
    )
)


# Actions that IAM does not limit to resources:
# https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
LISTS = frozenset(
    ("cloudformation:DescribeStacks", "events:ListRules", "lambda:ListFunctions", "scheduler:ListSchedules")
)
# Services whose data a key of the account encrypts.
ENCRYPTED = frozenset(("dynamodb", "s3", "secretsmanager", "sns", "sqs"))
CREATE_INTERFACE, DESCRIBE_INTERFACES = "ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces"
INTERFACES = ("ec2:AssignPrivateIpAddresses", "ec2:DeleteNetworkInterface", "ec2:UnassignPrivateIpAddresses")


class GrantError(Exception):
    """A grant that no policy can express; the message has the fix."""


def statements(names: Names, grants: Iterable[Grant], sender: str = "") -> list[Statement]:
    """Build one statement per actions and condition, with all its resources.

    The order is stable. sender: the address that SES may send from, empty for none.
    """
    merged: dict[tuple[tuple[str, ...], tuple[str, ...], str, str, bool], set[str]] = {}
    mail: dict[tuple[str, ...], set[str]] = {}
    for grant in grants:
        _check(grant)
        kind = (grant.actions, grant.keys, _alias(names, grant), _prefix(grant), grant.denied)
        if grant.resource != SENDER_IDENTITY:
            merged.setdefault(kind, set()).update(_resources(names, grant))
        elif sender:
            mail.setdefault(grant.actions, set()).update(identities(names, sender))
    return [
        *(
            {
                **allow(actions, *sorted(resources), leading_keys=keys, alias=alias, prefix=prefix),
                "Effect": "Deny" if denied else "Allow",
            }
            for (actions, keys, alias, prefix, denied), resources in sorted(merged.items())
        ),
        *(
            {**allow(actions, *sorted(resources)), "Condition": {"StringEquals": {"ses:FromAddress": sender}}}
            for actions, resources in sorted(mail.items())
        ),
    ]


def identities(names: Names, sender: str) -> Iterator[str]:
    """ARNs of the SES identities that an address may be sent from.

    The address itself, its domain, and the domains above.
    """
    yield names.arn("ses", f"identity/{sender}")
    labels = sender.rpartition("@")[2].split(".")
    for number in range(max(1, len(labels) - 1)):
        yield names.arn("ses", f"identity/{'.'.join(labels[number:])}")


def use_key(names: Names, key: str, statements: Iterable[Statement]) -> Statement:
    """Use of the key through the services that the other statements allow."""
    services = {action.partition(":")[0] for each in statements for action in each["Action"]} & ENCRYPTED
    through = {"kms:ViaService": sorted(f"{service}.{names.region}.{names.suffix}" for service in services)}
    return {**allow(("kms:Decrypt", "kms:GenerateDataKey"), key), "Condition": {"StringEquals": through}}


def in_vpc(names: Names, account: AccountResources) -> list[Statement]:
    """Network interfaces, for Lambda alone.

    Lambda manages them with the function's role; the function's code may not.
    https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions
    """
    interfaces = names.arn("ec2", "network-interface/*")
    placed = [names.arn("ec2", f"subnet/{each}") for each in account.subnets]
    placed += [names.arn("ec2", f"security-group/{each}") for each in account.security_groups]
    code = {"ArnLike": {"lambda:SourceFunctionArn": names.arn("lambda", f"function:{names.of('*')}")}}
    return [
        allow((CREATE_INTERFACE,), interfaces, *placed),
        allow(INTERFACES, interfaces),
        # IAM limits it to no resource.
        allow((DESCRIBE_INTERFACES,), "*"),
        {**allow((CREATE_INTERFACE, *INTERFACES, DESCRIBE_INTERFACES), "*"), "Effect": "Deny", "Condition": code},
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
    """Assume-role policy for that service."""
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
            # Limited by a condition on the prefix.
            yield f"arn:{names.partition}:s3:::{names.bucket}"
        case "secret":
            # Secrets Manager appends six random characters to the name.
            yield names.arn("secretsmanager", f"secret:{names.secret(name)}-??????")
        case "queue":
            yield names.arn("sqs", names.queue(name))
        case "topic":
            yield names.topic_arn(name)
        case "log":
            yield names.arn("logs", f"log-group:/aws/lambda/{names.function(name)}:*")
        case "function":
            yield names.arn("lambda", f"function:{names.function(name)}")
        case "parameter" | "model" | "stack" | "role" | "account":
            yield from _outside(names, kind, name)
        case "key":
            # Limited by a condition on its alias: stacks do not know each other's key ids.
            yield names.arn("kms", "key/*")


def _outside(names: Names, kind: str, name: str) -> Iterator[str]:
    """ARNs of resources that no template names."""
    match kind:
        case "parameter":
            yield names.arn("ssm", f"parameter/{names.secret(name)}")
        case "stack":
            yield names.arn("cloudformation", f"stack/{names.stack(name)}/*")
        case "role":
            # Named by CloudFormation, after its stack.
            yield f"arn:{names.partition}:iam::{names.account}:role/{names.of(name)}"
        case "account":
            yield "*"
        case _:
            # Models of AWS, and inference profiles, which route requests to several regions.
            yield f"arn:{names.partition}:bedrock:*::foundation-model/{name}"
            yield names.arn("bedrock", f"inference-profile/{name}")


def _alias(names: Names, grant: Grant) -> str:
    kind, _, name = grant.resource.partition("/")
    return names.key(name) if kind == "key" else ""


def _prefix(grant: Grant) -> str:
    kind, _, name = grant.resource.partition("/")
    # Without a condition for the whole bucket: one on the prefix is false for GetObject, whose requests have none.
    return name if kind == "listing" and name != "*" else ""


def _check(grant: Grant) -> None:
    kind, _, name = grant.resource.partition("/")
    owned = ("table", "bucket", "listing", "secret", "queue", "topic", "identity", "function", "key")
    kinds = (*owned, "log", "parameter", "model", "stack", "role", "account")
    if kind not in kinds:
        raise GrantError(f"grant on {grant.resource!r}: {kind!r} is none of {', '.join(kinds)}, see infra/roles.py")
    if kind == "account" and not LISTS.issuperset(grant.actions):
        loose = ", ".join(sorted(set(grant.actions) - LISTS))
        raise GrantError(f"grant on {grant.resource!r}: {loose} can be limited to resources; name them")
    if kind == "table" and name not in TABLES:
        raise GrantError(f"grant on {grant.resource!r}: no such table; declare it in shared/tables.py")
    if grant.keys and not KEYED.issuperset(grant.actions):
        loose = ", ".join(sorted(set(grant.actions) - KEYED))
        raise GrantError(f"grant on {grant.resource!r}: {loose} cannot be limited by keys; grant it without keys")
