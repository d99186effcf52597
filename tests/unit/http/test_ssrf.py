"""SSRF guard: no URL of a user leads to an internal address, in any notation or by any DNS answer."""

from __future__ import annotations

import pytest

from shared.http.ssrf import ForbiddenUrl, PublicUrl, Unresolved, parse_public_url, public_addresses
from tests.corpus.urls import REFUSED, TAKEN
from tests.support.dns_answers import resolving


def addresses(url: PublicUrl) -> list[str]:
    return public_addresses(url.host, url.port)


def test_the_corpus_has_more_than_100_urls() -> None:
    assert len(set(REFUSED)) == len(REFUSED) > 100


@pytest.mark.parametrize("url", REFUSED)
def test_a_url_that_is_not_public_is_refused(url: str) -> None:
    with pytest.raises(ForbiddenUrl):
        addresses(parse_public_url(url))


@pytest.mark.parametrize("url", TAKEN)
def test_a_public_url_is_accepted(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if not url.startswith(("https://8", "https://[")):
        resolving(monkeypatch, ["93.184.215.14"])
    assert addresses(parse_public_url(url))


@pytest.mark.parametrize(
    "found",
    [["127.0.0.1"], ["10.1.2.3"], ["93.184.215.14", "10.1.2.3"], ["::1"], ["::ffff:10.0.0.1"], ["169.254.169.254"]],
)
def test_a_name_with_one_private_address_is_refused(found: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, found)
    with pytest.raises(ForbiddenUrl, match="not of the public internet"):
        addresses(parse_public_url("https://hooks.shop.com/"))


def test_a_name_without_an_address_is_a_temporary_error(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, [])
    with pytest.raises(Unresolved):
        addresses(parse_public_url("https://hooks.shop.com/"))
