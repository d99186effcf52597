"""Score of a page: the evaluation service of the demo site."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from html.parser import HTMLParser
from typing import Any

MAX_PAGE = 256 * 1024
# Without the environment's proxies: pages are on this machine.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class PageParser(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.language = ""
        self.description = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.tags.append(tag)
        if tag == "html":
            self.language = attributes.get("lang") or ""
        elif tag == "meta" and attributes.get("name") == "description":
            self.description = attributes.get("content") or ""


def evaluate(url: str) -> dict[str, Any]:
    """`{score, checks, bytes, ms}`: score is the percentage of checks passed."""
    started = time.monotonic()
    try:
        with OPENER.open(url, timeout=10) as answer:
            status, html = answer.status, answer.read(MAX_PAGE).decode(errors="replace")
    except urllib.error.HTTPError as error:
        status, html = error.code, ""
        error.close()
    page = PageParser(html)
    checks = {
        "answers": status == 200,
        "title": "title" in page.tags,
        "one heading": page.tags.count("h1") == 1,
        "language": bool(page.language),
        "description": bool(page.description),
    }
    score = round(100 * sum(checks.values()) / len(checks))
    ms = round((time.monotonic() - started) * 1000)
    return {"score": score, "checks": checks, "bytes": len(html.encode()), "ms": ms}
