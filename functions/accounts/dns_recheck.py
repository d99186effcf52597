from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from functions.accounts import _dns
from functions.accounts._dns import Dns
from shared import clock
from shared.archetypes.sweep import Attempt, AttemptResult, AttemptVerdict, GaveUp, RetryLater, Row, Succeeded, Sweep
from shared.job import NO_TARGET, Rejected, RunContext, daily, days, hours, settings, tables, version_check
from shared.product import notifications
from shared.store import table
from shared.text.domain_name import InvalidDomain, ascii_domain, unicode_domain

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.product.records.accounts import Domain

GIVE_UP = settings.span(
    "DNS_RECHECK_GIVE_UP_AFTER", days(14), "How long a domain is checked before its verification fails"
)
# Less than a day, so that the next day's tick finds it due at any hour of its last check.
PAUSE = hours(12)


class DnsRecheck(Sweep):
    """Check the DNS of pending domains daily; notify users of results.

    Users are notified once of success or failure.

    `python jobs.py dns-recheck --target shop.example` checks one domain now.
    """

    schedule = daily(hour=5, minute=36)
    table = tables.DOMAINS
    record = "shared.product.records.accounts.Domain"
    patience = 60
    timeout = 600
    cap = 10_000
    by_name = True
    idempotency = version_check("a domain changes only if unchanged since it was read, in one write with its notice")
    settings = (*_dns.SETTINGS, GIVE_UP)
    permissions = notifications.GRANTS

    def rows(self, run: RunContext) -> Iterator[Row]:
        return super().rows(run) if run.target == NO_TARGET else iter(_of_name(run, run.target))

    def missing_target(self, target: str, cloud: Cloud) -> str:
        try:
            _rows_of_name(cloud, target)
        except Rejected as error:
            return str(error)
        return ""

    @contextmanager
    def tools(self, run: RunContext) -> Iterator[Dns]:
        yield Dns(run)

    def attempt(self, attempt: Attempt) -> AttemptVerdict:
        item: Domain = attempt.item
        fields: dict[str, Any] = {"checks": item.checks + 1, "checked_at": clock.iso(attempt.at)}
        try:
            records = attempt.tools.check(item.id, item.challenge)
        except _dns.InvalidName as error:
            return GaveUp(str(error), fields)
        except _dns.NoDnsAnswer as error:
            # No check of the domain, so never the last one, however old the domain is.
            return RetryLater(str(error))
        fields["found"] = list(records.correct)
        if not records.missing:
            return Succeeded("verified", fields)
        why = f"missing or wrong: {', '.join(records.missing)}"
        limit: timedelta = attempt.run.setting(GIVE_UP.name)
        return GaveUp(why, fields) if attempt.at - item.created_at >= limit else RetryLater(why, fields)

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
        # The creation time is in the key because a domain may be removed and added again.
        key = f"{self.name}-{item.id}-{item.created_at:%Y%m%d%H%M%S}"
        data: dict[str, str | int] = {"domain": unicode_domain(item.id)}
        template = "domain_verified"
        if not isinstance(result.verdict, Succeeded):
            template, data = "domain_failed", {**data, "checks": item.checks + 1, "missing": result.why}
        return [notifications.notification(run.cloud, item.user, key, template, "porter", data, f"domains/{item.id}")]


def _of_name(run: RunContext, name: str) -> list[Row]:
    """Pending domains of that name, of any user.

    None is pending if each was verified or has failed. Raises Rejected for a name that no user has added.
    """
    rows = _rows_of_name(run.cloud, name)
    pending = [item for item in rows if "due_at" in item]
    if not pending:
        run.log.info(
            "domain_not_pending", entityId=rows[0]["sk"], note="nothing to check: it was verified or has failed"
        )
    return [Row(item["pk"], item["sk"], item["due"], item["due_at"], {}) for item in pending]


def _rows_of_name(cloud: Cloud, name: str) -> list[dict[str, Any]]:
    """Domains of that name, of any user.

    Raises Rejected for a name that no user has added.
    """
    try:
        name = ascii_domain(name)
    except InvalidDomain as error:
        raise Rejected(f"{name!r:.80} {error}") from None
    rows, _ = table.query_page(
        cloud,
        tables.DOMAINS,
        "#name = :name",
        {":name": name},
        names={"#name": tables.NAMED.pk},
        IndexName=tables.NAMED.name,
    )
    if not rows:
        raise Rejected(f"no user has added the domain {name!r:.80}")
    return rows
