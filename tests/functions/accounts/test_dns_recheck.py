"""Domains are verified by their DNS records, and their user is notified once of the result."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest

from cli.exit_codes import CommandError
from cli.job_arguments import find_target
from functions.accounts.alias_expiration import AliasExpiration
from functions.accounts.dns_recheck import DnsRecheck
from local.services.dns_server import DnsServer
from shared.aws.cloud import Cloud
from shared.job.duration import days
from shared.product.records.accounts import Domain
from tests.conftest import NOON, Lines, VirtualClock
from tests.support.receiver import Death, Mortal, Receiver
from tests.support.sweeping import all_of, go, item, put

SECOND = timedelta(seconds=1)
CHALLENGE = "verify-4711-abcdef"


@pytest.fixture
def dns(cloud: Cloud) -> Iterator[DnsServer]:
    with DnsServer() as dns:
        cloud.environment = {
            "DNS_SERVERS": dns.address,
            "DOMAIN_MX": "mx1.in.example, mx2.in.example",
            "DOMAIN_CNAMES": "dkim._domainkey=dkim.in.example",
        }
        yield dns


def domain(name: str = "shop.example", due: datetime = NOON, user: str = "u", **rest: Any) -> Domain:
    given = {"challenge": CHALLENGE, "created_at": NOON - days(1), "next_check_at": due, **rest}
    return Domain.model_validate({"user": user, "id": name, **given})


def right(dns: DnsServer, name: str = "shop.example") -> None:
    dns.put(f"_mail-challenge.{name}", "TXT", '"v=spf1 -all"', f'"{CHALLENGE[:6]}" "{CHALLENGE[6:]}"')
    dns.put(name, "MX", "10 mx1.in.example.", "20 MX2.in.example.")
    dns.put(f"dkim._domainkey.{name}", "CNAME", "dkim.in.example.")


def test_a_domain_whose_dns_is_right_is_verified_and_its_user_told_once(
    cloud: Cloud, clock: VirtualClock, log: Lines, dns: DnsServer
) -> None:
    right(dns)
    put(cloud, domain())
    assert go(DnsRecheck(), cloud, log).counts == {"settled": 1}
    now = item(cloud, domain())
    assert (now["state"], now["checks"], now["checked_at"]) == ("verified", 1, "2026-03-02T12:00:00.000Z")
    assert now["found"] == ["TXT _mail-challenge", "MX", "CNAME dkim._domainkey"]
    assert not {"due", "due_at", "next_check_at"} & set(now)
    clock.move(days=1)
    assert go(DnsRecheck(), cloud, log).counts == {"due": 0}
    [notice] = all_of(cloud, "notifications")
    assert (notice["template"], notice["data"]) == ("domain_verified", {"domain": "shop.example"})


@pytest.mark.parametrize(
    ("name", "kind", "values", "missing"),
    [
        ("_mail-challenge.shop.example", "TXT", ['"another-challenge"'], "TXT _mail-challenge"),
        ("_mail-challenge.shop.example", "TXT", [f'"{CHALLENGE}x"'], "TXT _mail-challenge"),
        ("shop.example", "MX", ["10 mx.elsewhere.example."], "MX"),
        ("shop.example", "MX", ["10 mx1.in.example.", "20 mx.elsewhere.example."], "MX"),
        ("shop.example", "MX", [], "MX"),
        ("dkim._domainkey.shop.example", "CNAME", ["elsewhere.example."], "CNAME dkim._domainkey"),
    ],
)
def test_one_that_is_wrong_is_looked_at_again_on_the_next_day(
    name: str,
    kind: str,
    values: list[str],
    missing: str,
    cloud: Cloud,
    clock: VirtualClock,
    log: Lines,
    dns: DnsServer,
) -> None:
    right(dns)
    dns.put(name, kind, *values)
    put(cloud, domain())
    clock.move(seconds=7)
    assert go(DnsRecheck(), cloud, log).counts == {"again": 1}
    [line] = log.said("dns-recheck_item")
    assert line["note"] == f"missing or wrong: {missing}"
    assert len(item(cloud, domain())["found"]) == 2
    clock.instant = NOON + days(1)
    right(dns)
    assert go(DnsRecheck(), cloud, log).counts == {"settled": 1}


@pytest.mark.parametrize(("tick", "asked"), [(-1, 0), (0, 3), (1, 3)])
def test_nobody_is_asked_before_it_is_due(
    tick: int, asked: int, cloud: Cloud, clock: VirtualClock, log: Lines, dns: DnsServer
) -> None:
    right(dns)
    put(cloud, domain())
    clock.instant = NOON + tick * SECOND
    go(DnsRecheck(), cloud, log, clock.instant)
    assert len(dns.questions) == asked


@pytest.mark.parametrize(("age", "counts"), [(-1, {"again": 1}), (0, {"given_up": 1}), (1, {"given_up": 1})])
def test_it_is_given_up_after_two_weeks_and_its_user_told_what_is_missing(
    age: int, counts: dict[str, int], cloud: Cloud, clock: VirtualClock, log: Lines, dns: DnsServer
) -> None:
    put(cloud, domain(created_at=NOON - days(14) - age * SECOND, checks=13))
    assert go(DnsRecheck(), cloud, log).counts == counts
    told = all_of(cloud, "notifications")
    assert len(told) == counts.get("given_up", 0)
    if told:
        assert told[0]["template"] == "domain_failed"
        assert (told[0]["data"]["checks"], "MX" in told[0]["data"]["missing"]) == (14, True)
        assert item(cloud, domain())["state"] == "failed"


def test_who_adds_a_domain_again_is_told_of_that_one_too(
    cloud: Cloud, clock: VirtualClock, log: Lines, dns: DnsServer
) -> None:
    right(dns)
    for number in (1, 2):
        put(cloud, domain(created_at=clock.now(), next_check_at=clock.now()))
        assert go(DnsRecheck(), cloud, log).counts == {"settled": 1}
        assert len(all_of(cloud, "notifications")) == number
        clock.move(days=1)


def test_a_name_in_another_script_is_asked_for_in_ascii_and_told_as_it_is_written(
    cloud: Cloud, log: Lines, dns: DnsServer
) -> None:
    right(dns, "xn--bcher-kva.example")
    put(cloud, domain("xn--bcher-kva.example"), domain("xn--bcher-kva.example", NOON + days(1), user="other"))
    assert go(DnsRecheck(), cloud, log, target="bücher.example", manual=True, retried=False).counts == {"settled": 2}
    assert {row["data"]["domain"] for row in all_of(cloud, "notifications")} == {"bücher.example"}


def test_on_demand_one_domain_is_looked_at_before_it_is_due(cloud: Cloud, log: Lines, dns: DnsServer) -> None:
    right(dns)
    put(cloud, domain(due=NOON + days(1)), domain("other.example"))
    report = go(DnsRecheck(), cloud, log, target="shop.example", manual=True, retried=False)
    assert report.counts == {"settled": 1}
    assert item(cloud, domain("other.example"))["checks"] == 0


def test_a_domain_that_nobody_waits_for_is_refused_on_demand(cloud: Cloud, log: Lines, dns: DnsServer) -> None:
    put(cloud, domain("other.example"))
    report = go(DnsRecheck(), cloud, log, target="shop.example", manual=True, retried=False)
    assert (report.outcome, "no domain 'shop.example' is pending" in report.note) == ("failed", True)


def test_servers_that_fail_or_say_nothing_cost_nobody_their_domain(
    cloud: Cloud, log: Lines, dns: DnsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.accounts._dns.SECONDS", 0.5)
    for name in ("shop.example", "mute.example", "dead.example"):
        right(dns, name)
    dns.silent.add("mute.example")
    dns.broken.add("_mail-challenge.dead.example")
    put(cloud, domain(), domain("mute.example"), domain("dead.example"))
    assert go(DnsRecheck(), cloud, log).counts == {"settled": 1, "again": 2}
    assert item(cloud, domain("dead.example"))["state"] == "pending"


def test_what_is_no_name_is_given_up_and_the_rest_goes_on(cloud: Cloud, log: Lines, dns: DnsServer) -> None:
    right(dns)
    put(cloud, domain(), domain("a" * 64 + ".example"), domain("a..example"))
    assert go(DnsRecheck(), cloud, log).counts == {"settled": 1, "given_up": 2}


def test_an_answer_too_long_for_one_packet_is_asked_for_again(cloud: Cloud, log: Lines, dns: DnsServer) -> None:
    right(dns)
    many = [f'"{number:03d}{"x" * 90}"' for number in range(20)]
    dns.put("_mail-challenge.shop.example", "TXT", *many, f'"{CHALLENGE}"')
    put(cloud, domain())
    assert go(DnsRecheck(), cloud, log).counts == {"settled": 1}


def test_the_command_line_takes_a_domain_for_a_target_of_this_job_alone() -> None:
    assert find_target(DnsRecheck(), "shop.example") == "shop.example"
    with pytest.raises(CommandError, match="has no target"):
        find_target(AliasExpiration(), "shop.example")


def test_a_crash_before_its_end_is_written_leaves_it_to_the_next_run(
    cloud: Cloud, clock: VirtualClock, log: Lines, dns: DnsServer
) -> None:
    right(dns)
    put(cloud, domain())
    receiver = Receiver()
    mortal = Mortal(cloud, receiver, reads=False)
    for last in (1, 2):
        mortal.until(last)
        with suppress(Death):
            go(DnsRecheck(), cloud, log)
        clock.move(days=1)
    mortal.until(0)
    go(DnsRecheck(), cloud, log)
    assert item(cloud, domain())["state"] == "verified"
    assert len(all_of(cloud, "notifications")) == 1
