"""Page of an alert: by its kind, escaped, and none without the console's address."""

from __future__ import annotations

import pytest

from shared.observability import alert_page

URL = {"NIGHTSHIFT_CONSOLE_URL": "https://console.example/"}


@pytest.mark.parametrize(
    ("kind", "fields", "path"),
    [
        ("JOB_FAILING", {"job": "pricing"}, "/ui/jobs/pricing"),
        ("JOB_PERMANENTLY_FAILED", {"job": "crash"}, "/ui/dead?job=crash"),
        ("EFFECTS_UNCERTAIN", {"job": "notification-delivery"}, "/ui/effects?job=notification-delivery"),
        ("QUEUE_STUCK", {"job": "usage", "queue": "flagship:usage"}, "/ui/queues/flagship%3Ausage"),
        ("JOB_BRAKED", {"job": "session-cleanup"}, "/ui/plans?job=session-cleanup"),
        ("STACK_DRIFTED", {"differences": ["a", "b"]}, "/ui/now"),
        ("JOB_FAILING", {"job": "../a b?c#d"}, "/ui/jobs/..%2Fa%20b%3Fc%23d"),
    ],
)
def test_an_alert_leads_to_the_page_of_its_subject(kind: str, fields: dict[str, object], path: str) -> None:
    assert alert_page.link(URL, kind, fields) == f"https://console.example{path}"


def test_an_alert_has_no_link_where_the_address_is_not_known() -> None:
    assert alert_page.link({}, "JOB_FAILING", {"job": "pricing"}) == ""
    assert alert_page.link({"NIGHTSHIFT_CONSOLE_URL": "nowhere"}, "JOB_FAILING", {"job": "pricing"}) == ""
