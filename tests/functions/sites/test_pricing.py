"""Pricing: every site has a pricing page that contains a price."""

from __future__ import annotations

import pytest

from functions.sites.pricing import Pricing
from local.demo.site import DemoSite
from shared.aws.cloud import Cloud
from shared.http.client import HttpResponse
from tests.conftest import VirtualClock
from tests.functions.sites.conftest import Fire, item, kept


def judged(html: str, status: int = 200) -> tuple[bool, str]:
    verdict = Pricing().judge(HttpResponse(status, {}, html, 5, "https://a.example/pricing"))
    return verdict.ok, verdict.note


def test_a_site_with_prices_is_well_and_one_without_is_not(demo: DemoSite, fire: Fire, cloud: Cloud) -> None:
    report = fire(Pricing(), demo.base_urls)
    assert report.counts == {"hosts": 2, "ok": 1, "bad": 1, "invalid": 0}
    verdicts = {host: item(cloud, f"pricing:last:{host}")["status"] for host in demo.hosts}
    for host, verdict in verdicts.items():
        assert verdict["ok"] is (demo.explain(host) == "")
        assert verdict["statusCode"] == 200
    assert {verdict.get("note") for verdict in verdicts.values()} == {None, "no price on the page"}


def test_the_artifact_has_the_prices_and_latest_is_the_last(
    demo: DemoSite, fire: Fire, cloud: Cloud, clock: VirtualClock
) -> None:
    well = next(url for url, host in zip(demo.base_urls, demo.hosts, strict=True) if not demo.explain(host))
    first = fire(Pricing(), [well])
    clock.move(minutes=15)
    second = fire(Pricing(), [well])
    artifacts = kept(cloud, "pricing/")
    (latest,) = (artifact for key, artifact in artifacts.items() if key.endswith("latest.json"))
    assert len(artifacts) == 3
    assert first.artifact in artifacts
    assert latest == artifacts[str(second.artifact)]
    assert latest["prices"] == ["€9", "€29"]
    assert latest.items() >= {"kind": "pricing", "ok": True, "status": 200, "at": "2026-03-02T12:15:00.000Z"}.items()


@pytest.mark.parametrize(
    "text",
    ["$19", "$ 19.99", "19 €", "19,99 €", "€1.299", "1 299 €", "CHF 10", "10 CHF", "USD 9.99", "£0", "₹ 4,999", "¥500"],
)
def test_an_amount_of_money_is_a_price(text: str) -> None:
    assert judged(f"<p>Team: {text} a month</p>") == (True, "")


@pytest.mark.parametrize(
    "html",
    [
        "",
        "<p>Contact us</p>",
        "<p>Up to 500 users, 99.9 % of the time</p>",
        "<script>let price = '$1' + `$2`</script><p>Soon</p>",
        "<style>p { content: '€9' }</style>",
        "<!-- $9 -->",
        "<template><p>$9</p></template>",
        "<p>HEURISTIC 5, EURO 2024</p>",
        "<p title='$9'>none",
    ],
)
def test_what_a_visitor_cannot_read_as_a_price_is_none(html: str) -> None:
    assert judged(html) == (False, "no price on the page")


@pytest.mark.parametrize("html", ["<p>&euro;9</p>", "<p>9&nbsp;&#8364;</p>", "<p><b>$</b><span>9</span></p>"])
def test_a_price_is_read_as_it_is_shown(html: str) -> None:
    assert judged(html)[0]


@pytest.mark.parametrize("status", [404, 500, 503, 204, 301])
def test_any_other_answer_is_bad(status: int) -> None:
    assert judged("$9", status) == (False, f"answered {status}")


@pytest.mark.parametrize("html", ["<p>$9" + "<!--" * 20_000, "<" * 200_000, "<a href='" * 20_000, "&#" * 100_000])
def test_a_broken_page_is_read_in_reasonable_time(html: str) -> None:
    judged(html)
