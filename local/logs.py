"""Log records of an invocation: the function's lines between the platform's."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from local.engine import emulator

# Log events in the engine's memory; .local/logs has all of them.
STREAMS_KEPT = 50
EVENTS_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of Lambda's REPORT line. `status`: success, error, timeout."""

    request_id: str
    status: str
    error_type: str | None
    seconds: float
    init_seconds: float
    memory_mb: int
    peak_mb: int

    def text(self) -> str:
        figures = [
            f"REPORT RequestId: {self.request_id}",
            f"Duration: {self.seconds * 1000:.2f} ms",
            f"Billed Duration: {math.ceil((self.seconds + self.init_seconds) * 1000)} ms",
            f"Memory Size: {self.memory_mb} MB",
            f"Max Memory Used: {self.peak_mb} MB",
        ]
        if self.init_seconds:
            figures.append(f"Init Duration: {self.init_seconds * 1000:.2f} ms")
        if self.status != "success":
            figures += [f"Status: {self.status}", *([f"Error Type: {self.error_type}"] if self.error_type else [])]
        return "\t".join(figures) + "\t"

    def record(self) -> dict[str, Any]:
        metrics = {
            "durationMs": round(self.seconds * 1000, 3),
            "billedDurationMs": math.ceil((self.seconds + self.init_seconds) * 1000),
            "memorySizeMB": self.memory_mb,
            "maxMemoryUsedMB": self.peak_mb,
        }
        if self.init_seconds:
            metrics["initDurationMs"] = round(self.init_seconds * 1000, 3)
        record = {"requestId": self.request_id, "metrics": metrics, "status": self.status}
        return record | ({"errorType": self.error_type} if self.error_type else {})


def write(config: Mapping[str, Any], stream: str, lines: list[tuple[int, str]], report: Report) -> None:
    """Write `lines`, epoch milliseconds and text.

    Creates the log group, as AWS does.
    """
    now = time.time_ns() // 1_000_000
    begun = min(now - round((report.seconds + report.init_seconds) * 1000), *(at for at, _ in lines), now)
    version = config.get("Version", "$LATEST")
    if (config.get("LoggingConfig") or {}).get("LogFormat") == "JSON":
        before = [_platform(begun, "start", {"requestId": report.request_id, "version": version})]
        after = [_platform(now, "report", report.record())]
    else:
        before = [f"START RequestId: {report.request_id} Version: {version}"]
        after = [f"END RequestId: {report.request_id}", report.text()]
    events = [*((begun, text) for text in before), *lines, *((now, text) for text in after)]
    _append(config, stream, [{"timestamp": at, "message": text, "ingestionTime": now} for at, text in events], now)


def _platform(at: int, kind: str, record: dict[str, Any]) -> str:
    moment = datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"time": moment, "type": f"platform.{kind}", "record": record})


def _append(config: Mapping[str, Any], name: str, events: list[dict[str, Any]], now: int) -> None:
    store = emulator.service("cloudwatch_logs")
    group_name = (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{config['FunctionName']}"
    group = store._log_groups.get(group_name)
    if group is None:
        group = store._log_groups[group_name] = {
            "arn": store._make_group_arn(group_name),
            "creationTime": now,
            "retentionInDays": None,
            "tags": {},
            "subscriptionFilters": {},
            "streams": {},
        }
    streams = group["streams"]
    if name not in streams:
        for oldest in list(streams)[: max(0, len(streams) - STREAMS_KEPT + 1)]:
            del streams[oldest]
        streams[name] = {
            "events": [],
            "uploadSequenceToken": "1",
            "creationTime": now,
            "firstEventTimestamp": None,
            "lastEventTimestamp": None,
            "lastIngestionTime": None,
        }
    store._append_log_events(streams[name], events)
    del streams[name]["events"][:-EVENTS_KEPT]
