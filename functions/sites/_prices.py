"""Prices in a text: a number beside the name of a currency.

Linear in the length of the text: each number is one token, and only a few characters beside it are read. Libraries that
parse prices, such as price-parser, read any number as a price: they expect a text that is one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import islice

from functions.sites._ascii_forms import plain
from functions.sites._currencies import Rule, after_number, before_number
from shared.text.whole_number import is_whole_number

# Numbers of a page that are read. 16,000 numbers are no pricing page.
MAX_NUMBERS = 16_000
# Characters of a number that are read; the longest amount in use has 20.
MAX_AMOUNT = 32
# Characters beside a number that are read for context.
CONTEXT = 24
NUMBER = re.compile(r"[0-9]+(?:[.,' ][0-9]+)*")
AMOUNT = re.compile(
    r"(?:(?P<grouped>[0-9]{1,3}(?:(?P<mark>[ .,'])[0-9]{3}(?:(?P=mark)[0-9]{3})*|(?:,[0-9]{2})+,[0-9]{3}))|[0-9]+)"
    r"(?:(?P<point>[.,])(?P<decimals>[0-9]{1,4}))?"
)
# A symbol with the letters of a country: $US 49, 49 US$.
SYMBOL_BEFORE = re.compile(r"([^\w\s.,;:()/-])[A-Z]{0,3}$")
SYMBOL_AFTER = re.compile(r"[A-Z]{0,3}([^\w\s.,;:()/-])")
# What stands for "no decimals": 49,- and 49.-- and 499/- and 49:-
DASH = re.compile(r"[.,] ?-{1,2}(?![-0-9])|/-|:-")
# A dash that makes a price of a number without a currency: 49,-
BARE_DASH = re.compile(r",-{1,2}(?=$|[ /*)](?! ?[0-9]))|:-(?=$|/| per | i m| a )")
# The number is a share, a time, a date, a measure, or a room.
NO_AMOUNT = re.compile(r" ?[%‰°]|:[0-9]|/[0-9]|,? [0-9]{1,3}/F\b")
PERIOD = re.compile(
    r"(?: ?\)| ?[A-Za-z]{0,3})? ?(?:/|per\b|pr\.?\b|pro\b|par\b|por\b|p\.? ?m\b|p/m\b|p\.? ?a\b|"
    r"a (?:month|year|week|day)|"
    r"(?:monthly|yearly|monatlich|mensual|mensuel|mensal|al mes|im Monat|i m[åa]n|incl|excl|inkl|plus|\+ ?VAT))",
    re.IGNORECASE,
)
END = re.compile(r"$| ?[.,;:!?)\]/|*+-]")
# Nouns that a number counts: 12 EUR countries.
COUNTED = re.compile(
    r" (?:accounts?|pairs?|countries|invoices?|payments?|wallets?|transactions?|currencies|banks?|markets?|cards?|"
    r"coins?|"
    r"notes|hours?|days?|weeks?|users?|members?|teams?|languages|NCAP|signs?|zones?|stars?|million people)\b",
    re.IGNORECASE,
)
FROM = re.compile(r"(?:\bfrom|\bonly|\bjust|\bnow|\bfor|\bab|\bprice|\bprices|\bvanaf|\bcosts?)[: ] ?$", re.IGNORECASE)
# An article number, not a price: SKU R499.
ARTICLE = re.compile(
    r"(?:\b(?:sku|ref|no|nr|art|part|model|code|id|item|eos|type|room|route|version|v|series)|#|№)\.?:? ?$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Amount:
    """A number that is written as an amount."""

    text: str
    grouped: bool = False
    decimals: int = 0
    dash: bool = False

    @property
    def monetary(self) -> bool:
        return self.grouped or self.decimals == 2 or self.dash

    @property
    def day_and_month(self) -> bool:
        """Whether it could be a date without its year, such as 24.12."""
        day, point, month = self.text.partition(".")
        return bool(point) and is_whole_number(day) and is_whole_number(month) and int(day) <= 31 and int(month) <= 12

    @property
    def year(self) -> bool:
        """Whether it could be a year of our time."""
        return is_whole_number(self.text) and len(self.text) == 4 and 1990 <= int(self.text) <= 2039


def prices(text: str, most: int) -> list[str]:
    """The first `most` prices of a text, as it has them."""
    return list(islice(_prices(" ".join(plain(text).split())), most))


def _prices(text: str) -> Iterator[str]:
    for token in islice(NUMBER.finditer(text), MAX_NUMBERS):
        start, end = token.span()
        found = _before(text, start, end) or _after(text, start, end)
        if found:
            yield found


def _before(text: str, start: int, end: int) -> str:
    """Price of a number whose currency is in front of it."""
    at = start - 1 if text[start - 1 : start] == " " else start
    symbol = SYMBOL_BEFORE.search(text, max(0, at - 4), at)
    if symbol and symbol[1] in _symbols():
        rule, begin = Rule.ANY, symbol.start()
    elif (named := _name_before(text, at)) is not None:
        rule, begin = named
    else:
        return ""
    amount, stop = _first_amount(text, start, end)
    if amount is None or not _is_price(
        rule, amount, text[stop : stop + CONTEXT], text[max(0, begin - CONTEXT) : begin]
    ):
        return ""
    return text[begin:stop]


def _after(text: str, start: int, end: int) -> str:
    """Price of a number whose currency is behind it."""
    dash = DASH.match(text, end)
    stop = dash.end() if dash else end
    at = stop + 1 if text[stop : stop + 1] in (" ", "(") else stop
    symbol = SYMBOL_AFTER.match(text, at)
    if symbol and symbol[1] in _symbols():
        rule, last = Rule.ANY, symbol.end()
    elif (named := _name_after(text, at)) is not None:
        rule, last = named
    else:
        return _bare_dash(text, start, end)
    amount, begin = _last_amount(text, start, end, dash is not None)
    before = text[max(0, begin - CONTEXT) : begin]
    if amount is None or not _is_price(rule, amount, text[last : last + CONTEXT], before, behind=True):
        return ""
    return text[begin:last]


def _bare_dash(text: str, start: int, end: int) -> str:
    dash = BARE_DASH.match(text, end)
    if dash is None:
        return ""
    amount, begin = _last_amount(text, start, end, dash=True)
    if amount is None or amount.decimals or text[begin - 1 : begin].isalnum():
        return ""
    return text[begin : dash.end()] if len(amount.text) > 1 else ""


def _is_price(rule: Rule, amount: Amount, after: str, before: str, *, behind: bool = False) -> bool:
    """Whether a currency and an amount are a price, by their context."""
    if rule is Rule.ANY:
        return True
    if rule is Rule.NEVER or (not behind and amount.day_and_month and after[:1] == "."):
        return False
    if NO_AMOUNT.match(after) or (after[:1].isalnum() and not _is_unspaced(after[0]) and not behind):
        return False
    if behind and before[-1:].isalpha() and not _is_unspaced(before[-1]):
        return False
    if PERIOD.match(after) or FROM.search(before):
        return rule < Rule.STRICT or amount.monetary or PERIOD.match(after) is not None
    if amount.monetary:
        return rule is not Rule.STRICT or (amount.grouped and amount.decimals == 2)
    if amount.year or amount.decimals == 1 or ARTICLE.search(before):
        return False
    if rule is Rule.MONETARY:
        return behind and len(amount.text) > 1 and END.match(after) is not None
    if rule is Rule.LARGE:
        return len(amount.text) >= 3
    return rule is Rule.PLAIN and not COUNTED.match(after)


def _first_amount(text: str, start: int, end: int) -> tuple[Amount | None, int]:
    """The longest amount at the beginning of a number, and its end."""
    token = text[start : min(end, start + MAX_AMOUNT)]
    if end - start > MAX_AMOUNT:
        token = token.rpartition(" ")[0]
    while token:
        amount = _amount(token)
        if amount:
            dash = DASH.match(text, start + len(token)) if start + len(token) == end else None
            return (Amount(amount.text, amount.grouped, amount.decimals, True) if dash else amount), start + len(token)
        token = token.rpartition(" ")[0]
    return None, start


def _last_amount(text: str, start: int, end: int, dash: bool) -> tuple[Amount | None, int]:
    """The longest amount at the end of a number, and its beginning."""
    token = text[max(start, end - MAX_AMOUNT) : end]
    if end - start > MAX_AMOUNT:
        token = token.partition(" ")[2]
    while token:
        amount = _amount(token)
        if amount:
            return Amount(amount.text, amount.grouped, amount.decimals, dash), end - len(token)
        token = token.partition(" ")[2]
    return None, end


def _amount(token: str) -> Amount | None:
    match = AMOUNT.fullmatch(token)
    if match is None or match["mark"] == match["point"] is not None:
        return None
    return Amount(token, match["grouped"] is not None, len(match["decimals"] or ""))


def _name_before(text: str, at: int) -> tuple[Rule, int] | None:
    """Rule and beginning of the longest name that ends at `at`."""
    names, lengths = _names_before()
    for length in lengths.get(text[at - 1 : at], ()):
        begin = at - length
        name = text[begin:at] if begin >= 0 else ""
        rule = names.get(name)
        if rule and (name[0] >= "\u0e00" or not (name[0].isalnum() and text[begin - 1 : begin].isalnum() and begin)):
            return rule, begin
    return None


def _name_after(text: str, at: int) -> tuple[Rule, int] | None:
    """Rule and end of the longest name that begins at `at`."""
    names, lengths = _names_after()
    for length in lengths.get(text[at : at + 1], ()):
        name = text[at : at + length]
        rule = names.get(name)
        if rule and (
            name[-1] >= "\u0e00" or not (name[-1].isalnum() and text[at + length : at + length + 1].isalnum())
        ):
            return rule, at + length
    return None


@cache
def _symbols() -> frozenset[str]:
    """Currency symbols, without the generic one."""
    codes = [
        *range(0x700),
        *range(0x800, 0x1000),
        *range(0x1700, 0x1800),
        *range(0x2000, 0x2100),
        *range(0xA800, 0xA840),
    ]
    return frozenset(chr(code) for code in codes if unicodedata.category(chr(code)) == "Sc") - {"¤"}


def _is_unspaced(character: str) -> bool:
    """Whether it is of a script without spaces between words."""
    return character >= "\u0e00"


Names = tuple[Mapping[str, Rule], Mapping[str, tuple[int, ...]]]


@cache
def _names_before() -> Names:
    names = {plain(name): rule for name, rule in before_number().items()}
    return names, _lengths(names, -1)


@cache
def _names_after() -> Names:
    names = {plain(name): rule for name, rule in after_number().items()}
    return names, _lengths(names, 0)


def _lengths(names: Iterable[str], at: int) -> dict[str, tuple[int, ...]]:
    """Lengths of names by their first or last character, descending."""
    lengths: dict[str, set[int]] = {}
    for name in names:
        lengths.setdefault(name[at], set()).add(len(name))
    return {character: tuple(sorted(found, reverse=True)) for character, found in lengths.items()}
