"""Security headers, and the check against forged forms."""

from __future__ import annotations

import re

from functions.console._request import PageError, Request
from shared.aws.names import LOCAL

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    # Not `no-referrer`: by that, browsers send `Origin: null` with every form that is sent without script.
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "x-frame-options": "DENY",
}
HSTS = {"strict-transport-security": "max-age=31536000"}
LOOPBACK = re.compile(r"http://(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?")


def headers(stage: str) -> dict[str, str]:
    return HEADERS if stage == LOCAL else HEADERS | HSTS


def refuse_forged(request: Request, stage: str) -> None:
    """Refuse a form that another site has sent. Raises PageError with 403.

    The cookie is SameSite=Strict; this is the second lock. Browsers send Origin with every POST, and no page can
    change it.
    """
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin", "")
    # The local listener has compared Origin with its own address, which the function does not know.
    own = bool(LOOPBACK.fullmatch(origin)) if stage == LOCAL else origin == f"https://{request.headers.get('host', '')}"
    if site != "same-origin" or not own:
        raise PageError(403, "this form was not sent by the console; open the page again and repeat it")
