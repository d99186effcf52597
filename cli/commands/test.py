"""Run a job by hand on its sample event, parsed and run as Lambda's would be."""

from __future__ import annotations

import argparse
import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from cli import job_settings, options, output
from cli.commands.run import finished, found, instant, perform
from cli.exit_codes import Exit, Stop
from cli.options import ROOT
from shared import clock
from shared.aws.cloud import Cloud
from shared.clock import Clock
from shared.job.definition import INLINE, Job
from shared.messages.run_batch import run_batch
from shared.observability.log import Log, to_stderr
from shared.run import firing
from shared.run.firing import Batch, MalformedEvent

EVENTS = ROOT / "events"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job")
    parser.add_argument("--at", metavar="TIME", help="give the event this time, ISO 8601; now where it isn't said")
    parser.add_argument("--event", metavar="FILE", type=Path, help="another event than the one in events/<group>/")
    parser.add_argument("--json", action="store_true", help="one JSON object; logs go to stderr either way")
    options.arguments(parser)


def call(args: argparse.Namespace) -> int:
    job = found(args.job)
    now = Clock().now()
    received = at_time(sample(job, args.event), instant(args.at, now) if args.at else now)
    try:
        fired = firing.parse(job.name, received, now)
    except MalformedEvent as error:
        raise Stop(Exit.WRONG_USE, str(error)) from None
    with options.opened(args) as cloud, job_settings.of(job, cloud) as job:
        if isinstance(fired, Batch):
            return _consumed(job, fired, cloud, now, args.json)
        # A hand is at the keyboard: it sees the failure, and decides on the next attempt itself.
        return finished(perform(job, replace(fired, retried=False, by=INLINE), cloud), args.json)


def sample(job: Job, path: Path | None = None) -> dict[str, Any]:
    """The job's sample event, or the one in `path`. Raises Stop where there is none."""
    file = path or EVENTS / f"{job.place.partition(':')[0]}.json"
    try:
        read = json.loads(file.read_text())
    except FileNotFoundError:
        raise Stop(Exit.WRONG_USE, f"there is no {file}; write an event as AWS sends it to {job.name} there") from None
    except ValueError as error:
        raise Stop(Exit.WRONG_USE, f"{file} is not JSON: {error}") from None
    if not isinstance(read, dict):
        raise Stop(Exit.WRONG_USE, f"{file} holds no JSON object, so it is no event")
    return read


def at_time(received: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    """The same event, sent at `at` under an id of its own: as it was, it would be superseded or a duplicate."""
    moved = dict(received)
    if "time" in moved:
        moved["time"] = clock.iso(at)
    if isinstance(moved.get("firing"), Mapping):
        moved["firing"] = {**moved["firing"], "at": clock.iso(at), "id": uuid.uuid4().hex}
    if isinstance(moved.get("Records"), list):
        sent = {"SentTimestamp": str(clock.milliseconds(at))}
        moved["Records"] = [
            {**record, "attributes": {**record.get("attributes", {}), **sent}} for record in moved["Records"]
        ]
    return moved


def _consumed(job: Job, batch: Batch, cloud: Cloud, started: datetime, as_json: bool) -> int:
    began = time.monotonic()
    failures = run_batch(job, batch, cloud, Log(to_stderr, cloud.clock), job.timeout)
    shown = {
        "job": job.name,
        "run_id": None,
        "tick": None,
        "start": clock.iso(started),
        "end": clock.iso(Clock().now()),
        "status": "failed" if failures else "done",
        "outcome": "failed" if failures else "done",
        "ms": round((time.monotonic() - began) * 1000),
        "counts": {"messages": len(batch.records), "failed": len(failures)},
        "failures": failures,
        "artifact": None,
    }
    if as_json:
        output.document(shown)
    else:
        told = {name: shown[name] for name in ("job", "start", "end", "status", "ms")}
        print(output.fields({**told, "messages": len(batch.records), "failed": failures}))
    return Exit.FAILED if failures else Exit.DONE
