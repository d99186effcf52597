"""Append a line to a log."""

from __future__ import annotations

from typing import Any

LOG = ".kb/template/cron.log"
# Bytes beyond which the log is cut to its last lines: those of more than two days, which the daily report reads.
MAX_SIZE = 512 * 1024
MAX_LINES = 4000


def run(context: Any) -> dict[str, Any]:
    message = f"Hello from cron! Run {context.runCount}"
    if context.fs.exists(LOG) and context.fs.stat(LOG).size > MAX_SIZE:
        context.fs.write(LOG, "".join(context.fs.read(LOG).splitlines(keepends=True)[-MAX_LINES:]))
    context.fs.append(LOG, f"[{context.executedAt}] {message}\n")
    return {"ok": True, "message": message, "executedAt": context.executedAt, "runCount": context.runCount}
