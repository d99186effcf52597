"""Report the runs of 24 hours and the workspace's content.

It runs at 01:00: the runs of the day so far would be those of one hour. A repetition for the same time writes the same
file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

OWN = ".kb/template"
LOG = f"{OWN}/cron.log"
PERIOD = timedelta(days=1)


def run(context: Any) -> dict[str, Any]:
    day = context.executedAt[:10]
    lines = context.fs.read(LOG).splitlines() if context.fs.exists(LOG) else []
    files = list(context.fs.walk(OWN)) if context.fs.exists(OWN) else []
    report = {
        "date": day,
        "generatedAt": context.executedAt,
        "pluginVersion": context.pluginVersion,
        "runs": _runs(lines, datetime.fromisoformat(context.executedAt)),
        "files": len(files),
        "bytes": sum(entry.size for entry in files),
    }
    path = f"{OWN}/reports/daily-{day}.json"
    context.fs.write(path, json.dumps(report, indent=2) + "\n")
    return {"ok": True, "reportPath": path}


def _runs(lines: Iterable[str], until: datetime) -> int:
    """Count the lines `[<timestamp>] ...` of the period up to `until`.

    A run of this minute may have come before the report or not: it counts instead of the one a day before.
    """
    texts = (line[1:].partition("]")[0] for line in lines if line.startswith("["))
    stamps = [stamp for stamp in filter(None, map(_timestamp, texts)) if until - PERIOD <= stamp <= until]
    return len(stamps) - (until in stamps and until - PERIOD in stamps)


def _timestamp(text: str) -> datetime | None:
    try:
        stamp = datetime.fromisoformat(text)
    except ValueError:
        return None
    return stamp if stamp.tzinfo else None
