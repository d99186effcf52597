"""Run a job once on its sample event, as Lambda would."""

from __future__ import annotations

import argparse
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli import job_settings, log_lines, options, output
from cli.exit_codes import CommandError, Exit
from cli.job_arguments import find_job
from cli.paths import ROOT
from cli.period import parse_minute
from cli.registered_jobs import require_valid_settings
from cli.run_report import print_report
from cli.watchdog import run_watched
from shared import clock
from shared.aws.cloud import Cloud
from shared.aws.names import NO_TARGET
from shared.clock import Clock
from shared.job.definition import INLINE, Job
from shared.messages.run_batch import run_batch
from shared.observability.log import Log
from shared.run import firing
from shared.run.firing import Batch, MalformedEvent
from shared.text.regular_file import read_regular
from shared.text.timestamp import parse_timestamp
from shared.text.untrusted_json import InvalidJson, parse_json

if TYPE_CHECKING:
    from cli.shapes.runs import RunResult

EXAMPLES = ("test pricing", "test notifications --event my-event.json --json")
# Bytes of an event, Lambda's limit.
MAX_EVENT = 6 * 1024 * 1024
EVENTS = ROOT / "events"
# Milliseconds since the epoch, as SQS writes them.
SENT = re.compile(r"[0-9]{13}")
TIMESTAMP = re.compile(r"\b[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?Z")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", help="name of the job")
    parser.add_argument("--at", metavar="TIME", help="time of the event, ISO 8601 (default: now)")
    parser.add_argument(
        "--event", metavar="FILE", type=Path, help="another event (default: the one in events/<group>/)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object; logs go to stderr in any case")
    log_lines.add_argument(parser)
    options.add_arguments(parser)
    options.add_services(parser)


def call(args: argparse.Namespace) -> int:
    job = find_job(args.job)
    now = Clock().now()
    event = at_time(sample(job, args.event), parse_minute(args.at, now) if args.at else now)
    try:
        fired = firing.parse(job.name, event, now)
    except MalformedEvent as error:
        raise CommandError(Exit.WRONG_USE, str(error)) from None
    require_valid_settings([job])
    with options.open_cloud(args) as cloud, job_settings.load(job, cloud) as job:
        if isinstance(fired, Batch):
            return _run_batch(job, fired, cloud, now, args)
        # Not retried: the developer sees the failure and runs the next attempt.
        return print_report(
            run_watched(job, replace(fired, retried=False, by=INLINE), cloud, log_lines.writer(args)), args.json
        )


def sample(job: Job, path: Path | None = None) -> dict[str, Any]:
    """The job's sample event, or the event in `path`.

    Raises CommandError for a missing or malformed file.
    """
    file = path or EVENTS / f"{job.place.partition(':')[0]}.json"
    try:
        event = parse_json(read_regular(file, MAX_EVENT), max_bytes=MAX_EVENT)
    except FileNotFoundError:
        raise CommandError(
            Exit.WRONG_USE, f"there is no {file}; create it with an event as AWS sends it to {job.name}"
        ) from None
    except OSError as error:
        raise CommandError(Exit.WRONG_USE, f"{file} cannot be read: {error.strerror or error}") from None
    except InvalidJson as error:
        raise CommandError(Exit.WRONG_USE, f"{file} {error}") from None
    if not isinstance(event, dict):
        raise CommandError(Exit.WRONG_USE, f"{file} is not an event: it does not contain a JSON object")
    return event


def at_time(event: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    """The event with time `at` and a new id.

    Unchanged it would be superseded or a duplicate. Timestamps in messages move too, which would be too old.
    """
    moved = dict(event)
    if "time" in moved:
        moved["time"] = clock.iso(at)
    if isinstance(moved.get("firing"), Mapping):
        moved["firing"] = {**moved["firing"], "at": clock.iso(at), "id": uuid.uuid4().hex}
    if isinstance(moved.get("Records"), list):
        moved["Records"] = [_sent_at(record, at) for record in moved["Records"]]
    return moved


def _sent_at(record: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    attributes, body = record.get("attributes", {}), record.get("body")
    new = {**record, "attributes": {**attributes, "SentTimestamp": str(clock.milliseconds(at))}}
    sent = str(attributes.get("SentTimestamp", ""))
    if SENT.fullmatch(sent) and isinstance(body, str):
        span = timedelta(milliseconds=clock.milliseconds(at) - int(sent))
        new["body"] = TIMESTAMP.sub(lambda found: clock.iso(parse_timestamp(found[0]) + span), body)
    return new


def _run_batch(job: Job, batch: Batch, cloud: Cloud, started: datetime, args: argparse.Namespace) -> Exit:
    began = time.monotonic()
    failures = run_batch(job, batch, cloud, Log(log_lines.writer(args), cloud.clock), job.timeout)
    outcome = "failed" if failures else "done"
    shown: RunResult = {
        "job": job.name,
        "run_id": None,
        "tick": None,
        "target": NO_TARGET,
        "start": clock.iso(started),
        "end": clock.iso(Clock().now()),
        "status": outcome,
        "outcome": outcome,
        "ok": not failures,
        "ms": round((time.monotonic() - began) * 1000),
        "counts": {"messages": len(batch.records), "failed": len(failures)},
        "note": "",
        "error": f"{len(failures)} of {len(batch.records)} messages failed" if failures else None,
        "artifact": None,
        "failures": failures,
    }
    if args.json:
        output.document(shown)
    else:
        summary = {name: value for name, value in shown.items() if name in ("job", "start", "end", "status", "ms")}
        print(output.fields({**summary, "messages": len(batch.records), "failed": failures}))
    return Exit.FAILED if failures else Exit.DONE
