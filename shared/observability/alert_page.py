"""Page of the console that an alert links to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from shared.job.console_url import console_url

# Paths by the kind of an alert, with the field that each needs; other alerts lead to the page of their job.
PATHS = {
    "JOB_PERMANENTLY_FAILED": ("/ui/dead?job={}", "job"),
    "EFFECTS_UNCERTAIN": ("/ui/effects?job={}", "job"),
    "QUEUE_STUCK": ("/ui/queues/{}", "queue"),
    "JOB_BRAKED": ("/ui/plans?job={}", "job"),
}
JOB = ("/ui/jobs/{}", "job")
START = "/ui/now"


def path(kind: str, fields: Mapping[str, Any]) -> str:
    """Return the path of the page.

    An alert about no job leads to the first page.
    """
    pattern, name = PATHS.get(kind, JOB)
    value = fields.get(name)
    return pattern.format(quote(str(value), safe="")) if value else START


def link(environment: Mapping[str, str], kind: str, fields: Mapping[str, Any]) -> str:
    """Return the address of the page.

    Nothing where the console's is not known.
    """
    url = console_url(environment)
    return url and f"{url}{path(kind, fields)}"
