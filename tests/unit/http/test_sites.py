"""BASE_URLS: valid and invalid entries, and the hosts of sites."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.aws.cloud import Cloud
from shared.http import sites
from shared.http.sites import Site, host_of
from shared.job.definition import Job
from shared.job.idempotency import natural
from shared.job.outcome import Done, Outcome, Rejected
from shared.job.setting import BASE_URLS, SettingError
from shared.run.context import RunContext
from shared.run.firing import Firing
from tests.conftest import NOON, Lines


class Visitor(Job):
    """Visit sites."""

    name = "visitor"
    idempotency = natural("a visit changes nothing")
    settings = (BASE_URLS,)

    def work(self, run: RunContext) -> Outcome:
        return Done()


@pytest.fixture
def run(cloud: Cloud, log: Lines) -> RunContext:
    return RunContext(Visitor(), Firing("visitor", NOON), cloud, "run-1", datetime.now(UTC), log)


@pytest.mark.parametrize(
    ("entry", "host", "url"),
    [
        ("https://shop.example", "shop.example", "https://shop.example"),
        ("https://shop.example/", "shop.example", "https://shop.example"),
        ("  HTTPS://Shop.Example/App/ ", "shop.example", "https://shop.example/App"),
        ("https://shop.example:443", "shop.example", "https://shop.example"),
        ("http://shop.example:80/", "shop.example", "http://shop.example"),
        ("http://127.0.0.1:8080", "127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("https://shop.example:80", "shop.example:80", "https://shop.example:80"),
        ("https://shop.example.", "shop.example", "https://shop.example"),
        ("https://münchen.example", "xn--mnchen-3ya.example", "https://xn--mnchen-3ya.example"),
        # IDNA 2008: other names than strasse.example and fass.example.
        ("https://straße.example/", "xn--strae-oqa.example", "https://xn--strae-oqa.example"),
        ("https://FAß.example.:8443", "xn--fa-hia.example:8443", "https://xn--fa-hia.example:8443"),
        ("https://βόλος.example", "xn--nxasmm1c.example", "https://xn--nxasmm1c.example"),
        ("http://[::1]:8080", "[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_an_entry_becomes_a_host_and_a_base(entry: str, host: str, url: str) -> None:
    assert sites.parse([entry]).valid == (Site(host, url),)


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        (17, "is not text"),
        (None, "is not text"),
        (["https://shop.example"], "is not text"),
        ("", "neither https:// nor http://"),
        ("shop.example", "neither https:// nor http://"),
        ("ftp://shop.example", "neither https:// nor http://"),
        ("javascript:alert(1)", "neither https:// nor http://"),
        ("https://", "invalid host name"),
        ("https:///pricing", "invalid host name"),
        ("https://-", "invalid host name"),
        ("https://..", "invalid host name"),
        ("https://a..b", "invalid host name"),
        ("https://" + "a" * 254, "invalid host name"),
        ("https://shop.example:0", "port 0"),
        ("https://shop.example:65536", "ort"),
        ("https://shop.example:http", "ort"),
        ("https://[::1", "IPv6"),
        ("https://user:hunter22@shop.example", "credentials"),
        ("https://hunter22@shop.example", "credentials"),
        ("https://hunter22@intranet", "credentials"),
        ("https://shop.example?q=1", "query or a fragment"),
        ("https://shop.example/?", "query or a fragment"),
        ("https://shop.example#top", "query or a fragment"),
        ("https://shop.example/a b", "space or a control character"),
        ("https://shop.example/\r\nx: y", "space or a control character"),
        ("https://shop.example/\x00", "space or a control character"),
        ("https://shop.example/" + "a" * 2048, "longer than 2048"),
    ],
)
def test_an_invalid_entry_is_reported_with_its_number_and_skipped(entry: Any, fault: str) -> None:
    found = sites.parse(["https://first.example", entry, "https://last.example"])
    assert found.hosts == ("first.example", "last.example")
    (sentence,) = found.invalid
    assert sentence.startswith("BASE_URLS, entry 2")
    assert fault in sentence
    assert "hunter22" not in sentence
    assert len(sentence) < 300


def test_duplicates_collapse() -> None:
    found = sites.parse(["https://a.example", "https://A.example/", "https://a.example:443"])
    assert found.hosts == ("a.example",)
    assert found.invalid == ()


def test_a_host_has_one_base_url() -> None:
    found = sites.parse(["https://a.example/one", "https://a.example/two"])
    assert found.valid == (Site("a.example", "https://a.example/one"),)
    assert "entry 2" in found.invalid[0]


def test_sites_come_in_the_order_of_their_hosts() -> None:
    assert sites.parse(["https://b.example", "https://a.example"]).hosts == ("a.example", "b.example")


def test_a_path_goes_below_the_base() -> None:
    target = Site("a.example", "https://a.example/app")
    assert target.at("/pricing") == target.at("pricing") == "https://a.example/app/pricing"


@pytest.mark.parametrize("text", ["https://a.example", "[", '{"a": 1}', "null"])
def test_a_value_that_is_no_array_is_a_setting_error(text: str, run: RunContext) -> None:
    run.cloud.environment = {"BASE_URLS": text}
    with pytest.raises(SettingError, match="BASE_URLS"):
        sites.read(run)


def test_invalid_entries_are_in_the_log(run: RunContext, log: Lines) -> None:
    run.cloud.environment = {"BASE_URLS": json.dumps(["https://a.example", "nonsense", 5])}
    found = sites.read(run)
    assert found.hosts == ("a.example",)
    assert [line["level"] for line in log.said("base_url_invalid")] == ["WARNING", "WARNING"]
    assert found.note == "2 entries of BASE_URLS cannot be used; the log names them"


def test_an_unknown_target_is_rejected_with_the_known_hosts(run: RunContext) -> None:
    run.firing = replace(run.firing, target="c.example")
    with pytest.raises(Rejected, match=r"'c\.example' is no host of BASE_URLS; its hosts are a\.example, b\.example"):
        sites.select(run, sites.parse(["https://a.example", "https://b.example"]))


def test_an_empty_host_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="invalid host name"):
        host_of("https://")
