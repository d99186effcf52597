"""Append a line to a log."""

from __future__ import annotations

from typing import Any

LOG = ".kb/template/cron.log"


def run(context: Any) -> dict[str, Any]:
    message = f"Hello from cron! Run {context.runCount}"
    context.fs.append(LOG, f"[{context.executedAt}] {message}\n")
    return {"ok": True, "message": message, "executedAt": context.executedAt, "runCount": context.runCount}
