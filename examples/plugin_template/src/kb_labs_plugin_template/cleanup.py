"""Delete old files of the cache."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

CACHE = ".kb/template/cache"
RETENTION = timedelta(days=7)


def run(context: Any) -> dict[str, Any]:
    oldest = (datetime.fromisoformat(context.executedAt) - RETENTION).timestamp()
    if not context.fs.exists(CACHE):
        return {"ok": True, "cleaned": 0}
    old = [entry.path for entry in context.fs.walk(CACHE) if entry.modified < oldest]
    context.fs.delete_many(old)
    context.logger.info("cleaned", count=len(old))
    return {"ok": True, "cleaned": len(old)}
