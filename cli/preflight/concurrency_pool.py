"""Concurrency pool of the account against reservations and mappings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from cli.preflight.change import Change, named_resources
from infra.finding import Finding, refused, warning
from infra.template import Template, resources

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

CHECK = "concurrency"
# Lambda refuses a reservation that leaves less to functions without one.
UNRESERVED = 100
QUOTA = "raise the quota (Service Quotas, Lambda, Concurrent executions; a new account has 10)"


def check(change: Change, cloud: Cloud) -> Iterator[Finding]:
    limit = cloud.functions.get_account_settings()["AccountLimit"]
    pool, unreserved = limit["ConcurrentExecutions"], limit["UnreservedConcurrentExecutions"]
    new, old = _reserved(change.after), _reserved(change.before)
    where = f"account {cloud.names.account}, {cloud.names.region}"
    left = unreserved + sum(old.values()) - sum(new.values())
    if sum(new.values()) > sum(old.values()) and left < UNRESERVED:
        yield refused(
            CHECK,
            where,
            f"{len(new)} functions reserve {sum(new.values())} of the account's {pool} concurrent executions, which "
            f"leaves {left}; Lambda keeps at least {UNRESERVED} unreserved",
            f"{QUOTA}, or reserve less: -c url-concurrency=0",
        )
        left = unreserved + sum(old.values())
    mapped = sum(
        mapping.properties.get("ScalingConfig", {}).get("MaximumConcurrency", left + 1)
        for mapping in resources(change.after, "AWS::Lambda::EventSourceMapping")
    )
    if mapped > left:
        yield warning(
            CHECK,
            where,
            f"consumers may use {mapped} concurrent executions, and {left} are unreserved: a burst of messages "
            "throttles the scheduled jobs, and throttled receives count towards the dead-letter queue",
            f"{QUOTA}, or declare a smaller `concurrency` in consumers",
        )


def _reserved(templates: Mapping[str, Template]) -> dict[str, int]:
    return {
        named.name: int(named.properties["ReservedConcurrentExecutions"])
        for named in named_resources(templates, "AWS::Lambda::Function")
        if named.properties.get("ReservedConcurrentExecutions")
    }
