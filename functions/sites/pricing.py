from __future__ import annotations

from functions.sites._page import HtmlPage
from functions.sites._prices import prices
from shared.archetypes.probe import HttpResponse, Probe, Verdict
from shared.job import every

SHOWN = 10


class Pricing(Probe):
    """Check that every site has a pricing page with a price."""

    schedule = every(minutes=15)
    path = "/pricing"

    def judge(self, answer: HttpResponse) -> Verdict:
        if answer.status != 200:
            return Verdict(False, f"answered {answer.status}")
        found = prices(HtmlPage(answer.text, answer.url).text, SHOWN)
        return Verdict(bool(found), "" if found else "no price on the page", {"prices": found})
