"""Prices are found in the spellings of shops, and no other number is taken for one."""

from __future__ import annotations

from pathlib import Path

import pytest
from babel import Locale, localedata
from babel.numbers import format_currency, get_currency_symbol, get_territory_currencies

from functions.sites._page import HtmlPage
from functions.sites._prices import prices

CORPUS = Path(__file__).parents[2] / "corpus"
# One a line.
PRICES = (CORPUS / "prices.txt").read_text().splitlines()
NO_PRICES = (CORPUS / "no_prices.txt").read_text().splitlines()


@pytest.mark.parametrize("form", ["{}", "Team: {} for all", "<b>{}</b>", "Plan A {} Plan B"])
def test_a_spelling_of_shops_is_a_price(form: str) -> None:
    assert len(PRICES) > 250
    missed = [text for text in PRICES if not prices(HtmlPage(form.format(text), "https://a.example/").text, 9)]
    # R499 alone may be an article; 149 TRY in the middle of a sentence has no mark of a price.
    assert [text for text in missed if text not in ("99:-", "1 299:-", "149 TRY", "R499", "99,-")] == []


@pytest.mark.parametrize("form", ["{}", "about {} more", "<li>{}</li>", "Plan A {}, Plan B"])
def test_no_other_number_is_a_price(form: str) -> None:
    assert len(NO_PRICES) > 200
    found = {text: prices(HtmlPage(form.format(text), "https://a.example/").text, 9) for text in NO_PRICES}
    assert {text: taken for text, taken in found.items() if taken} == {}


@pytest.mark.parametrize(
    "html",
    [
        "<div>$</div><div>29</div>",
        "<span>29</span><span>&euro;</span>",
        "<sup>$</sup>29<sup>99</sup>",
        "<p>1&nbsp;299,00&nbsp;&euro;</p>",
        "<span class=currency>kr</span> <span>99</span>",
        "<b>49</b>\n<i>zł</i>",
        "<td>€</td><td>9</td>",
        "<p>9\u200b€</p>",
        "<p dir=rtl>\u200f٩٩\u00a0د.إ.\u200f</p>",
    ],
)
def test_a_number_and_its_currency_may_be_in_tags_of_their_own(html: str) -> None:
    assert prices(HtmlPage(html, "https://a.example/").text, 9)


def test_a_price_is_returned_as_the_page_has_it() -> None:
    assert prices("from €9, then 1\u202f299,00\u202f€ or CHF 12.\u2013", 9) == ["€9", "1 299,00 €", "CHF 12"]
    assert prices("€1 €2 €3", 2) == ["€1", "€2"]


# Currencies whose symbol in CLDR is a single letter, or an abbreviation of something else.
UNCLEAR = {"BAM", "CVE", "GMD", "HTG", "LSL", "MKD", "SZL", "SLE", "SOS", "STN", "TRY", "XCG", "MMK", "ZMW", "PGK"}


def test_prices_of_every_locale_are_found() -> None:
    """Format a price in the currency of each territory as its locales do (CLDR)."""
    missed = []
    for identifier in sorted(localedata.locale_identifiers()):
        locale = Locale.parse(identifier)
        currencies = get_territory_currencies(locale.territory) if locale.territory else ["EUR", "USD", "CHF"]
        for currency in currencies:
            text = format_currency(1299.5, currency, locale=locale)
            if currency not in UNCLEAR and not prices(f"Team {text} / month", 9):
                missed.append((identifier, text, get_currency_symbol(currency, locale)))
    assert missed == []
