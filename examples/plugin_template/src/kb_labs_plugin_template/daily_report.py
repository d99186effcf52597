"""Report the content of the workspace on a day.

A repetition for the same day writes the same file.
"""

from __future__ import annotations

import json
from typing import Any

OWN = ".kb/template"
LOG = f"{OWN}/cron.log"


def run(context: Any) -> dict[str, Any]:
    day = context.executedAt[:10]
    lines = context.fs.read(LOG).splitlines() if context.fs.exists(LOG) else []
    files = list(context.fs.walk(OWN)) if context.fs.exists(OWN) else []
    report = {
        "date": day,
        "generatedAt": context.executedAt,
        "pluginVersion": context.pluginVersion,
        "runs": sum(line.startswith(f"[{day}") for line in lines),
        "files": len(files),
        "bytes": sum(entry.size for entry in files),
    }
    path = f"{OWN}/reports/daily-{day}.json"
    context.fs.write(path, json.dumps(report, indent=2) + "\n")
    return {"ok": True, "reportPath": path}
