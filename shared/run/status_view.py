"""The status keys, read for people and for the status route."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from shared.aws import attributes
from shared.aws.names import NO_TARGET, STATE

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.job.manifest import Entry


def items(cloud: Cloud, entries: Mapping[str, Entry]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every claim and status item with its job's name: one query a job, no scan."""
    for name, entry in entries.items():
        pages = cloud.dynamodb.get_paginator("query").paginate(
            TableName=cloud.names.table(STATE),
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues=attributes.row({":pk": f"{entry['key']}:last"}),
        )
        for page in pages:
            for item in page["Items"]:
                yield name, attributes.plain(item)


def read(cloud: Cloud, entries: Mapping[str, Entry]) -> dict[str, dict[str, Any]]:
    """`{"pricing:last:shop.example": {"ok": true, ...}, "docs-registry:last": {...}}`."""
    shown = {}
    for name, item in items(cloud, entries):
        own = item["sk"] == NO_TARGET
        seen = shown[item["pk"] if own else f"{item['pk']}:{item['sk']}"] = view(item)
        if "spent" in item and "paused" not in item:
            from shared.run import budget_usage

            spent = budget_usage.shown(item, cloud.clock.now())
            seen |= {"paused": spent.pause_reason} if spent and spent.used_up else {}
        if own and "partly" in item:
            from shared.run import pauses

            parts = pauses.read(cloud, name).items()
            seen["pauses"] = {part: found.text for part, found in parts if part != pauses.WHOLE}
    return shown


def view(item: Mapping[str, Any]) -> dict[str, Any]:
    """The last status, and the state of the run: PROCESSING with its step and progress, COMPLETED or FAILED."""
    shown = dict(item.get("status") or {})
    shown["state"] = item.get("state") or ("COMPLETED" if shown.get("ok") else "FAILED")
    if "holder" in item:
        shown |= {"runId": item["holder"], "startedAt": item.get("started", ""), "step": item.get("step", "started")}
        shown["progress"] = item.get("progress", 0)
    elif shown["state"] == "COMPLETED":
        shown["progress"] = 100
    else:
        shown["step"] = "error"
    if "paused" in item:
        shown["paused"] = item["paused"]
    if item.get("streak"):
        shown["streak"] = item["streak"]
    return shown
