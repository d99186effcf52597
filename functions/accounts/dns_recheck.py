"""Domains of users' own, until their DNS is as it must be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from functions.accounts import _dns
from functions.accounts._dns import Dns
from shared import clock
from shared.archetypes.sweep import Attempt, AttemptResult, AttemptVerdict, GaveUp, RetryLater, Row, Succeeded, Sweep
from shared.aws import attributes
from shared.job import NO_TARGET, Rejected, RunContext, daily, days, hours, settings, tables, version_check
from shared.product import notifications

if TYPE_CHECKING:
    from shared.product.records.accounts import Domain

GIVE_UP = settings.span("DNS_RECHECK_GIVE_UP_AFTER", days(14), "How long a domain may take until its DNS is right")
# Whatever hour it was last looked at, tomorrow's tick finds it due.
PAUSE = hours(12)


class DnsRecheck(Sweep):
    """Ask for the DNS of pending domains every day, and tell users once that theirs is ready or will not be.

    On demand: `python jobs.py dns-recheck --target shop.example` looks at that domain at once.
    """

    schedule = daily(hour=5, minute=36)
    table = tables.DOMAINS
    record = "shared.product.records.accounts.Domain"
    patience = 60
    timeout = 600
    cap = 10_000
    by_name = True
    idempotency = version_check("a domain's state changes only as it was read; its notice is written with that, once")
    settings = (*_dns.SETTINGS, GIVE_UP)
    permissions = notifications.GRANTS

    def rows(self, run: RunContext) -> Iterator[Row]:
        return super().rows(run) if run.target == NO_TARGET else iter(_of_name(run, _ascii(run.target)))

    @contextmanager
    def tools(self, run: RunContext) -> Iterator[Dns]:
        yield Dns(run)

    def attempt(self, attempt: Attempt) -> AttemptVerdict:
        item: Domain = attempt.item
        known: dict[str, Any] = {"checks": item.checks + 1, "checked_at": clock.iso(attempt.at)}
        try:
            seen = attempt.tools.look(_ascii(item.id), item.challenge)
        except _dns.NoName as error:
            return GaveUp(str(error), known)
        except _dns.Unanswered as error:
            why = str(error)
        else:
            known["found"] = list(seen.found)
            if not seen.missing:
                return Succeeded("verified", known)
            why = f"not as it must be: {', '.join(seen.missing)}"
        limit: timedelta = attempt.run.setting(GIVE_UP.name)
        return GaveUp(why, known) if attempt.at - item.created_at >= limit else RetryLater(why, known)

    def next_at(self, run: RunContext, result: AttemptResult) -> datetime:
        return result.at + PAUSE

    def on_retry(self, item: Domain, at: datetime) -> Mapping[str, Any]:
        return {"next_check_at": at}

    def on_success(self, item: Domain, result: AttemptResult) -> Mapping[str, Any]:
        from shared.product.records.accounts import DomainState

        return {"state": DomainState.VERIFIED, "next_check_at": None}

    def on_give_up(self, item: Domain, result: AttemptResult) -> Mapping[str, Any]:
        from shared.product.records.accounts import DomainState

        return {"state": DomainState.FAILED, "next_check_at": None}

    def with_puts(self, run: RunContext, item: Domain, result: AttemptResult) -> Sequence[Any]:
        # A domain that was removed and added again is another one.
        key = f"{self.name}-{item.id}-{item.created_at:%Y%m%d%H%M%S}"
        told: dict[str, str | int] = {"domain": _shown(item.id)}
        template = "domain_verified"
        if not isinstance(result.verdict, Succeeded):
            template, told = "domain_failed", {**told, "checks": item.checks + 1, "missing": result.why}
        return [notifications.notification(run.cloud, item.user, key, template, "porter", told, f"domains/{item.id}")]


def _of_name(run: RunContext, name: str) -> list[Row]:
    """The pending domains of that name, whoever's they are. Raises Rejected where there is none."""
    answer = run.cloud.dynamodb.query(
        TableName=run.cloud.names.table(tables.DOMAINS.name),
        IndexName=tables.NAMED.name,
        KeyConditionExpression="#name = :name",
        ExpressionAttributeNames={"#name": tables.NAMED.pk},
        ExpressionAttributeValues=attributes.row({":name": name}),
    )
    found = [item for item in map(attributes.plain, answer["Items"]) if "due_at" in item]
    if not found:
        raise Rejected(f"no domain {name!r:.80} is pending")
    return [Row(item["pk"], item["sk"], item["due"], item["due_at"], {}) for item in found]


def _ascii(name: str) -> str:
    try:
        return name.rstrip(".").lower().encode("idna").decode()
    except UnicodeError:
        return name


def _shown(name: str) -> str:
    """As its user writes it."""
    try:
        return name.encode("ascii").decode("idna")
    except UnicodeError:
        return name
