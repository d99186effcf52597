"""Sign-in links: valid for two minutes, once, for the role whose token made them."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from shared.admin import console_link
from shared.aws.cloud import Cloud
from tests.conftest import VirtualClock

TOKENS = {"operator": "open sesame", "viewer": "just looking"}


def minted(cloud: Cloud, role: str = "operator", secret: str = "") -> str:
    link = console_link.mint("http://own.example/", secret or TOKENS[role], role, "ada", cloud.clock.now())
    assert urlsplit(link).path == "/ui/login/link"
    return parse_qs(urlsplit(link).query)["t"][0]


def why_refused(cloud: Cloud, text: str) -> str:
    with pytest.raises(console_link.LinkRefused) as refused:
        console_link.redeem(cloud, TOKENS, text)
    return str(refused.value)


def test_a_link_signs_in_once(cloud: Cloud) -> None:
    text = minted(cloud)
    assert console_link.redeem(cloud, TOKENS, text) == console_link.ConsoleLink("operator", "ada")
    assert why_refused(cloud, text) == "This link was used before: it works once. Make another one."


def test_a_link_expires(cloud: Cloud, clock: VirtualClock) -> None:
    text = minted(cloud)
    clock.move(minutes=2, seconds=1)
    assert why_refused(cloud, text) == "This link has expired: it is valid for two minutes. Make another one."


def test_the_token_of_a_viewer_makes_no_link_for_an_operator(cloud: Cloud) -> None:
    assert why_refused(cloud, minted(cloud, "operator", TOKENS["viewer"])) == console_link.INVALID
    assert why_refused(cloud, "garbage") == console_link.INVALID


def test_a_link_may_lead_to_a_page(cloud: Cloud) -> None:
    link = console_link.mint("http://own.example", "s", "operator", "ada", cloud.clock.now(), "/ui/dead?job=a b")
    assert link.endswith("&to=%2Fui%2Fdead%3Fjob%3Da%20b")
