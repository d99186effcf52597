"""The console in Chromium: runs of each outcome, rejected messages, and what no page shows."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from playwright.sync_api import Page, expect

from shared.aws.cloud import Cloud
from shared.dead_letters import store
from shared.dead_letters.store import DeadLetterFilter
from shared.job.outcome import Done, Enqueued, Failed, Lost, Reason, Refused, Skipped, Snoozed
from tests.browser.conftest import Night
from tests.support.console_state import SECRET_TOKEN, TENANT

# Each outcome of a history row, and its badge.
WORDS = {
    **{kind.word: kind.word for kind in (Done, Failed, Lost, Refused, Snoozed, Enqueued)},
    **{Skipped(reason).word: Skipped(reason).word for reason in Reason},
    "missed": "missed",
}
ADDRESS = "ada.lovelace@shop.example"
# Tops and bottoms of the bars of a chart.
BARS = """() => [...document.querySelectorAll("figure rect")].map((bar) => bar.getBoundingClientRect())
  .map((box) => [box.top, box.bottom, box.width])"""
PLACES = ("now", "jobs", "jobs/usage", "failures", "queues", f"tenants/{TENANT}")


def test_a_run_of_each_outcome_shows_its_word_its_reason_and_its_attempts(page: Page, night: Night) -> None:
    state, tick = night.state, "2026-03-02T11:45Z#00"
    for number, word in enumerate(WORDS):
        at = state.now - timedelta(minutes=40 + number)
        tick = f"{at:%Y-%m-%dT%H:%M}Z#00"
        first = state.row("webeval", at, "failed", False, note="first", tick=tick, suffix=f".{number}a")
        more: dict[str, Any] = {"note": f"reason {word}", "attempt": 2, "tick": tick, "suffix": f".{number}b"}
        last = state.row("webeval", at + timedelta(seconds=30), word, word == "done", **more)
        page.goto(night.url(f"runs/webeval/{last}"))
        lead = page.locator("main p.lead")
        expect(lead.locator(".badge")).to_contain_text(WORDS[word])
        expect(lead).to_contain_text(f"reason {word}")
        assert page.locator("tbody tr", has_text=first).count() == 1
        bars = page.evaluate(BARS)
        assert len(bars) == 2
        assert all(width > 0 for *_, width in bars)
        # Each attempt has a line of its own.
        assert bars[0][1] <= bars[1][0]


def test_a_consumer_with_rejected_messages_is_red_on_every_page(page: Page, night: Night) -> None:
    for place in PLACES:
        page.goto(night.url(place))
        row = page.locator("main li, main tr, main section", has_text="usage").filter(has=page.locator(".badge.bad"))
        expect(row.first).to_be_visible()
    page.goto(night.url(f"tenants/{TENANT}"))
    for number in range(6):
        expect(page.locator("tbody tr", has_text=f"meter-{number}")).to_have_count(1)


def test_no_answer_contains_a_seeded_secret(page: Page, night: Night, cloud: Cloud) -> None:
    text = f"token={SECRET_TOKEN} for {ADDRESS}"
    cloud.s3.put_object(Bucket=cloud.names.bucket, Key="pricing/a.json", Body=text.encode())
    at = night.state.now - timedelta(minutes=40)
    run = night.state.row("pricing", at, "failed", False, note="answered 401", artifact="pricing/a.json")
    line = {"message": f'{{"level": "ERROR", "run": "{run}", "error": "{text}"}}'}
    cloud.__dict__["logs"] = SimpleNamespace(
        filter_log_events=lambda **_: {"events": [line]}, exceptions=SimpleNamespace(ClientError=ValueError)
    )
    # The payload of each letter of the night has the token.
    letter = next(iter(store.dead_letters(cloud, DeadLetterFilter(job="usage")))).id
    exports = ("export/failures", "export/audit", f"export/tenants/{TENANT}")
    bodies = {
        place: page.request.get(night.url(place)).text()
        for place in (*PLACES, "dead", f"dead/letter/{letter}", f"runs/pricing/{run}", "audit", "effects", *exports)
    }
    assert "for [" in bodies[f"runs/pricing/{run}"]
    assert "Payload, redacted" in bodies[f"dead/letter/{letter}"]
    assert [place for place, body in bodies.items() if SECRET_TOKEN in body or ADDRESS in body] == []
