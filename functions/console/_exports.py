"""Downloads of the audit log, failures, and rows of a tenant."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from functions.console._pages import audit, failures, tenants
from functions.console._request import Answer, PageError
from functions.console._view import View, link
from shared import redaction

JSON, LINES = "application/json", "application/x-ndjson"
# Characters that a file name may have in each system.
PLAIN = re.compile(r"[^A-Za-z0-9.-]+")


def answer(view: View) -> Answer:
    """The file of `export/<page>`, with the query of that page. Raises PageError."""
    page, *rest = view.rest or ("",)
    make = EXPORTS.get(page)
    if make is None:
        raise PageError(404, f"There is no export {page[:60]!r}.", {link("now"): "Now"})
    return make(view, "/".join(rest))


def _audit(view: View, _: str) -> Answer:
    return _lines("audit", audit.exported(view))


def _failures(view: View, _: str) -> Answer:
    return _lines("failures", failures.exported(view))


def _tenant(view: View, tenant: str) -> Answer:
    if not tenant:
        raise PageError(404, "Name an organization.", {link("tenants"): "Tenants"})
    return _file(f"tenant-{tenant}.json", tenants.exported(view, tenant), JSON)


def _lines(name: str, rows: Iterable[dict[str, Any]]) -> Answer:
    text = "".join(f"{json.dumps(redaction.data(row), default=str, ensure_ascii=False)}\n" for row in rows)
    return _file(f"{name}.jsonl", text, LINES)


def _file(name: str, text: str, content_type: str) -> Answer:
    plain = PLAIN.sub("_", name)[-80:]
    headers = {"content-disposition": f'attachment; filename="nightshift-{plain}"'}
    return Answer(200, text, headers, content_type=f"{content_type}; charset=utf-8")


EXPORTS: dict[str, Callable[[View, str], Answer]] = {"audit": _audit, "failures": _failures, "tenants": _tenant}
