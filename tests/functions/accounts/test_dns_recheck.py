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
from tests.conftest import NOON, Lines, VirtualClock, waiting
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
    assert (report.outcome, "no user has added the domain 'shop.example'" in report.note) == ("unknown_target", True)
    assert cloud.dynamodb.scan(TableName=cloud.names.table("state"))["Items"] == []
    assert waiting(cloud, "firings-dlq") == []


@pytest.mark.parametrize("name", ["shop.example", "SHOP.Example."])
def test_a_domain_that_is_verified_already_has_nothing_to_check_on_demand(
    name: str, cloud: Cloud, log: Lines, dns: DnsServer
) -> None:
    right(dns)
    put(cloud, domain())
    for counts in ({"settled": 1}, {"due": 0}, {"due": 0}):
        report = go(DnsRecheck(), cloud, log, target=name, manual=True, retried=False)
        assert (report.outcome, report.ok, report.counts) == ("done", True, counts)
        cloud.clock.sleep(60)
    assert log.said("domain_not_pending")[0]["entityId"] == "shop.example"


@pytest.mark.parametrize("fault", ["silent", "broken"])
def test_a_domain_without_an_answer_stays_pending_however_old_it_is(
    fault: str, cloud: Cloud, clock: VirtualClock, log: Lines, dns: DnsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.accounts._dns.SECONDS", 0.5)
    getattr(dns, fault).add("_mail-challenge.shop.example")
    put(cloud, domain(created_at=NOON - days(15), checks=14))
    report = go(DnsRecheck(), cloud, log)
    assert (report.counts, report.ok) == ({"again": 1}, True)
    assert (item(cloud, domain())["state"], item(cloud, domain())["checks"]) == ("pending", 14)
    assert all_of(cloud, "notifications") == []


def test_dns_servers_of_ours_that_do_not_answer_are_a_failure_of_ours(
    cloud: Cloud, clock: VirtualClock, log: Lines, dns: DnsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.accounts._dns.SECONDS", 0.5)
    dns.silent |= {"_mail-challenge.shop.example", "."}
    put(cloud, domain(created_at=NOON - days(15), checks=14))
    report = go(DnsRecheck(), cloud, log)
    assert (report.counts, report.ok) == ({"put_off": 1}, False)
    assert (item(cloud, domain())["state"], item(cloud, domain())["checks"]) == ("pending", 14)
    clock.instant = NOON + days(1)
    dns.silent.clear()
    right(dns)
    assert go(DnsRecheck(), cloud, log).counts == {"settled": 1}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DOMAIN_TXT", "_mail challenge"),
        ("DOMAIN_TXT", "a..b"),
        ("DOMAIN_TXT", "x" * 64),
        ("DOMAIN_MX", "https://mx1.in.example"),
        ("DOMAIN_CNAMES", "dkim..x=dkim.in.example"),
        ("DOMAIN_CNAMES", "dkim"),
        ("DNS_SERVERS", "ns1.in.example"),
        ("DNS_SERVERS", "192.0.2.1:dns"),
        ("DNS_SERVERS", "192.0.2.1:0000199999"),
        ("DNS_RECHECK_GIVE_UP_AFTER", "two weeks"),
    ],
)
def test_a_setting_that_no_domain_could_meet_fails_no_domain(
    name: str, value: str, cloud: Cloud, log: Lines, dns: DnsServer
) -> None:
    cloud.environment = {**cloud.environment, name: value}
    put(cloud, domain(created_at=NOON - days(15)))
    before = item(cloud, domain())
    report = go(DnsRecheck(), cloud, log)
    assert (report.outcome, name in report.note) == ("failed", True)
    assert (item(cloud, domain()), all_of(cloud, "notifications")) == (before, [])


def test_an_empty_label_is_the_default_one(cloud: Cloud, log: Lines, dns: DnsServer) -> None:
    cloud.environment = {**cloud.environment, "DOMAIN_TXT": ""}
    right(dns)
    put(cloud, domain())
    assert go(DnsRecheck(), cloud, log).counts == {"settled": 1}


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


def test_what_is_no_name_is_quarantined_and_the_rest_goes_on(cloud: Cloud, log: Lines, dns: DnsServer) -> None:
    """`load` refuses it; an application has written it."""
    right(dns)
    put(cloud, domain())
    for name in ("a" * 64 + ".example", "a..example"):
        put(cloud, domain(f"{len(name)}.example"), sk=name)
    assert go(DnsRecheck(), cloud, log).counts == {"settled": 1, "faulty": 2}
    assert all_of(cloud, "domains")[0]["fault"].startswith("id: is not a domain name")


def test_a_name_too_long_for_our_label_is_given_up(cloud: Cloud, log: Lines, dns: DnsServer) -> None:
    name = ".".join(("a" * 60, "b" * 60, "c" * 60, "d" * 50, "example"))
    put(cloud, domain(name))
    assert go(DnsRecheck(), cloud, log).counts == {"given_up": 1}


def test_a_name_in_another_script_is_not_verified_by_another_name(
    cloud: Cloud, clock: VirtualClock, log: Lines, dns: DnsServer
) -> None:
    """IDNA 2003 would ask strasse.example."""
    right(dns, "strasse.example")
    put(cloud, domain("straße.example"))
    assert go(DnsRecheck(), cloud, log).counts == {"again": 1}
    right(dns, "xn--strae-oqa.example")
    clock.move(minutes=1)
    report = go(DnsRecheck(), cloud, log, target="STRAßE.example", manual=True, retried=False)
    assert report.counts == {"settled": 1}


def test_an_answer_too_long_for_one_packet_is_asked_for_again(cloud: Cloud, log: Lines, dns: DnsServer) -> None:
    right(dns)
    many = [f'"{number:03d}{"x" * 90}"' for number in range(20)]
    dns.put("_mail-challenge.shop.example", "TXT", *many, f'"{CHALLENGE}"')
    put(cloud, domain())
    assert go(DnsRecheck(), cloud, log).counts == {"settled": 1}


def test_the_command_line_takes_a_known_domain_for_a_target_of_this_job_alone(cloud: Cloud) -> None:
    assert find_target(DnsRecheck(), "shop.example") == "shop.example"
    put(cloud, domain("shop.example"))
    assert find_target(DnsRecheck(), "shop.example", cloud) == "shop.example"
    with pytest.raises(CommandError, match=r"no user has added the domain 'shpo\.example'"):
        find_target(DnsRecheck(), "shpo.example", cloud)
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
