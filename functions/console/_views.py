"""What is shown of jobs: a page of them, their sums, the runs of one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from functions.console._errors import Refused
from shared import clock
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.aws.names import NO_TARGET, STATE
from shared.job import schedule
from shared.job.manifest import Entry
from shared.run import status_view

PAGE, LARGEST_PAGE = 50, 100
DAYS = 30


def jobs(cloud: Cloud, entries: Mapping[str, Entry], query: Mapping[str, str]) -> dict[str, Any]:
    """`{jobs: [{id, name, schedule, status, lastRun, nextRun, runCount}], next}`; next is the cursor, or null."""
    limit, after = _limit(query), query.get("cursor", "")
    ids = sorted((entry["id"], name) for name, entry in entries.items() if entry["id"] > after)
    page = ids[:limit]
    items = _items(cloud, {name: entries[name] for _, name in page})
    now = cloud.clock.now()
    shown = [_job(name, entries[name], items.get(name, {}), now) for _, name in page]
    return {"jobs": shown, "next": page[-1][0] if len(ids) > limit else None}


def stats(cloud: Cloud, entries: Mapping[str, Entry]) -> dict[str, Any]:
    """How many jobs there are, in which state, and how many runs they had in all."""
    items = _items(cloud, entries)
    states = Counter(_status(items.get(name, {})) for name in entries)
    runs = sum(int(item.get("fence", 0)) for item in items.values())
    groups = Counter(entry["group"] for entry in entries.values())
    return {"jobs": len(entries), "statuses": dict(sorted(states.items())), "groups": dict(groups), "runs": runs}


def runs(cloud: Cloud, name: str, query: Mapping[str, str]) -> dict[str, Any]:
    """`{runs: [...], next}` of one day, newest first; `day=yyyy-mm-dd`, today where none is given."""
    day, limit = _day(query, cloud.clock.now()), _limit(query)
    after = (
        {"ExclusiveStartKey": attributes.row({"pk": f"runs#{name}#{day}", "sk": query["cursor"]})}
        if "cursor" in query
        else {}
    )
    answer = cloud.dynamodb.query(
        TableName=cloud.names.table(STATE),
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues=attributes.row({":pk": f"runs#{name}#{day}"}),
        ScanIndexForward=False,
        Limit=limit,
        **after,  # type: ignore[arg-type]
    )
    now = cloud.clock.now().timestamp()
    found = [item for item in map(attributes.plain, answer["Items"]) if item.get("expires", now) >= now]
    told = ("target", "tick", "attempt", "outcome", "ok", "started", "ms", "note", "counts", "artifact", "duplicates")
    shown = [{"run": item["sk"], **{field: item[field] for field in told if field in item}} for item in found]
    last = attributes.plain(answer.get("LastEvaluatedKey"))
    return {"day": day, "runs": shown, "next": last.get("sk")}


def _items(cloud: Cloud, entries: Mapping[str, Entry]) -> dict[str, dict[str, Any]]:
    return {name: item for name, item in status_view.items(cloud, entries) if item["sk"] == NO_TARGET}


def _job(name: str, entry: Entry, item: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    last, held = item.get("status") or {}, "paused" in item
    schedules = [schedule.read(text) for text in entry["schedules"]]
    upcoming = min((next(each.after(now)) for each in schedules), default=None)
    return {
        "id": entry["id"],
        "name": name,
        "schedule": ", ".join(entry["schedules"]) or None,
        "status": _status(item),
        "lastRun": last.get("at"),
        "nextRun": clock.iso(upcoming) if upcoming and not held else None,
        "runCount": int(item.get("fence", 0)),
    }


def _status(item: Mapping[str, Any]) -> str:
    """`running`, `paused`, `never`, or how the last run ended."""
    if "holder" in item:
        return "running"
    if "paused" in item:
        return "paused"
    return str((item.get("status") or {}).get("outcome", "never"))


def _limit(query: Mapping[str, str]) -> int:
    text = query.get("limit", str(PAGE))
    if not text.isdecimal() or not 1 <= int(text) <= LARGEST_PAGE:
        raise Refused(400, f"limit is 1 to {LARGEST_PAGE}")
    return int(text)


def _day(query: Mapping[str, str], now: datetime) -> str:
    text = query.get("day", f"{now:%Y-%m-%d}")
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=now.tzinfo)
    except ValueError:
        raise Refused(400, "day is yyyy-mm-dd") from None
    if not timedelta(0) <= now - day <= timedelta(days=DAYS + 1):
        raise Refused(400, f"day is one of the last {DAYS}")
    return text
