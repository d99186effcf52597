"""The console in Chromium: without script, with forged forms, odd addresses and hostile text."""

from __future__ import annotations

from urllib.parse import quote

from playwright.sync_api import Browser, Page

from functions.console._routes import PAGES
from shared.aws.cloud import Cloud
from shared.dead_letters import store
from shared.dead_letters.store import DeadLetterFilter
from shared.run import pauses
from tests.browser.conftest import Night
from tests.conftest import waiting
from tests.support.web_server import Reply, Web

HOSTILE = "<script>document.title='owned'</script><svg onload=\"document.title='owned'\">\u202eevil\u2066 &amp; "
ODD = ("@", "%2F", "ü🦊", "x" * 300, "..", "%00", "<b>", "a/b/c")
FORGED = """
<form method="post" action="{url}/ui/preview/pause"><input name="job" value="pricing"><button>Win</button></form>
"""


def test_every_page_and_an_act_work_without_script(night: Night, chromium: Browser, cloud: Cloud) -> None:
    page = chromium.new_context(java_script_enabled=False).new_page()
    night.sign_in(page)
    for place in (each for each in PAGES if each not in ("mails", "runs", "queues")):
        seen = page.goto(f"{night.site.url}/ui/{place}")
        assert (seen and seen.status, page.locator("h1").count()) == (200, 1), place
    letter = next(iter(store.dead_letters(cloud, DeadLetterFilter(job="crash"))))
    page.goto(f"{night.site.url}/ui/dead/letter/{letter.id}")
    page.get_by_role("button", name="Retry").click()
    assert f"python jobs.py dead retry {letter.id}" in page.locator("code.command").inner_text()
    page.get_by_label("Reason").fill("mended")
    page.get_by_role("button", name="Retry").click()
    assert "was sent" in page.get_by_role("status").first.inner_text()
    page.get_by_role("link", name="Close").click()
    assert page.url.endswith(f"/ui/dead/letter/{letter.id}")
    assert (len(waiting(cloud)), store.find(cloud, letter.id).state) == (1, "retrying")


def test_a_person_signs_out_and_in_by_the_token(page: Page) -> None:
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("Token").fill("open sesame")
    page.get_by_label("name").fill("ada")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/ui/now")
    assert page.get_by_text("ada (operator)").count() == 1


def test_a_form_of_another_origin_is_refused(page: Page, night: Night, cloud: Cloud) -> None:
    with Web() as other:
        # Another port of this machine: the same site for cookies, and another origin.
        other.answers["/"] = Reply(200, FORGED.format(url=night.site.url), {"Content-Type": "text/html"})
        page.goto(other.url)
        with page.expect_navigation() as sent:
            page.get_by_role("button", name="Win").click()
        assert sent.value.status == 403
        page.goto(other.url)
        script = (
            f"fetch('{night.site.url}/ui/preview/pause', {{method: 'POST', mode: 'no-cors', credentials: 'include'}})"
        )
        page.evaluate(script)
    assert [hit for hit in night.site.hits if hit.startswith("POST /ui/preview")] == ["POST /ui/preview/pause 403"] * 2
    assert pauses.read(cloud, "pricing") == {}


def test_odd_addresses_are_pages(page: Page, night: Night) -> None:
    # Every combination is asked for by HTTP in tests/functions/console/test_pages.py.
    places = ("jobs/{}", "tenants/{}")
    for place in places:
        for odd in ODD:
            seen = page.goto(f"{night.site.url}/ui/{place.format(quote(odd, safe=''))}")
            assert seen
            assert seen.status < 500
            assert page.locator("h1").count() == 1


def test_hostile_text_is_text(page: Page, night: Night) -> None:
    night.state.bad("pricing", "failed", HOSTILE, streak=2)
    night.state.letter("crash", HOSTILE + "x" * 65536, 40, tenant="<b>org</b>")
    night.state.uncertain("notification-delivery", HOSTILE)
    page.set_viewport_size({"width": 360, "height": 800})
    for place in ("now", "jobs", "jobs/pricing", "failures", "dead", "effects", "tenants/%3Cb%3Eorg%3C%2Fb%3E"):
        page.goto(f"{night.site.url}/ui/{place}")
        assert "Nightshift" in page.title()
        assert page.locator("main script, main [onload]").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0, place
    page.goto(f"{night.site.url}/ui/effects")
    assert "<script>" in page.locator("main").inner_text()
