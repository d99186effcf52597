from __future__ import annotations

import re

from functions.sites._page import HtmlPage
from shared.archetypes.probe import HttpResponse, Probe, Verdict
from shared.job import every

CURRENCY = (
    r"(?:[$€£¥₹₩₽₺₴₪฿₫₱]"
    r"|\b(?:USD|EUR|GBP|CHF|JPY|CNY|CAD|AUD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|RON|TRY|BRL|MXN|INR|KRW|SGD|HKD|ZAR)\b)"
)
AMOUNT = r"\d+(?:[.,' ]\d{3})*(?:[.,]\d{1,2})?"
PRICE = re.compile(rf"{CURRENCY} ?{AMOUNT}|{AMOUNT} ?{CURRENCY}")
SHOWN = 10


class Pricing(Probe):
    """Check that every site has a pricing page with a price."""

    schedule = every(minutes=15)
    path = "/pricing"

    def judge(self, answer: HttpResponse) -> Verdict:
        if answer.status != 200:
            return Verdict(False, f"answered {answer.status}")
        prices = PRICE.findall(HtmlPage(answer.text, answer.url).text)
        return Verdict(bool(prices), "" if prices else "no price on the page", {"prices": prices[:SHOWN]})
