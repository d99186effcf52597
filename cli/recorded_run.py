"""A run by its id, with everything that belongs to it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cli import declared_jobs, log_lines, options
from cli.exit_codes import CommandError, Exit
from shared import redaction
from shared.admin import run_chain
from shared.admin.run_chain import RunChain
from shared.aws.cloud import Cloud
from shared.job.manifest import Entry
from shared.redaction import LONG, excerpt
from shared.run import status_view
from shared.run.history import started_by
from shared.store import keys
from shared.store.batch_get import batch_get_rows
from shared.tables import STATE
from shared.text.untrusted_json import InvalidJson, parse_json

# Bytes of an artifact that are read.
MAX_ARTIFACT = 1024 * 1024


@dataclass(frozen=True, slots=True)
class RunInProgress:
    """A run that has no row yet."""

    job: str
    #: The claim item that it holds.
    item: Mapping[str, Any]


def find(cloud: Cloud, run: str, args: argparse.Namespace) -> RunChain | RunInProgress:
    """Find a run of any job.

    Raises CommandError with WRONG_USE for an unknown id.
    """
    try:
        started_by(run)
    except ValueError:
        raise _unknown(f"{run!r:.60} is no id of a run", args) from None
    entries = declared_jobs.entries()
    rows = batch_get_rows(cloud, STATE, (keys.run(name, run) for name in entries), patient=False)
    # A row without an outcome counts duplicates of a run that has not ended.
    name = next((str(row["job"]) for row in rows if "outcome" in row), "")
    chain = run_chain.read(cloud, name, entries[name], run) if name else None
    return chain or _in_progress(cloud, entries, run, args)


def artifact(cloud: Cloud, key: str) -> dict[str, Any]:
    """The artifact of a run: `key`, `url` and `record`.

    `record` is None where the object has expired.
    """
    found = {"key": key, "url": f"s3://{cloud.names.bucket}/{key}", "record": None}
    try:
        body = cloud.s3.get_object(Bucket=cloud.names.bucket, Key=key)["Body"].read(MAX_ARTIFACT + 1)
        return {**found, "record": parse_json(body, max_bytes=MAX_ARTIFACT)}
    except (cloud.s3.exceptions.NoSuchKey, InvalidJson):
        return found


def log(cloud: Cloud, chain: RunChain, most: int) -> list[str]:
    """Log lines of the run; empty if its function has never run."""
    try:
        return run_chain.log_lines(cloud, chain, most)
    except cloud.logs.exceptions.ResourceNotFoundException:
        return []


def line(value: Any) -> str:
    """A value as one line of text, redacted and cut."""
    return excerpt(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), LONG)


def log_text(message: str) -> str:
    """A line of the log as text.

    Lines of Lambda itself are no JSON.
    """
    try:
        entry = parse_json(message)
    except InvalidJson:
        return redaction.text(message)
    return redaction.text(log_lines.as_text(entry) if isinstance(entry, dict) else message)


def _in_progress(cloud: Cloud, entries: Mapping[str, Entry], run: str, args: argparse.Namespace) -> RunInProgress:
    for name, item in status_view.items(cloud, entries):
        if item.get("holder") == run:
            return RunInProgress(name, item)
    raise _unknown(f"no run {run} is on record; rows expire, those of good runs first", args)


def _unknown(message: str, args: argparse.Namespace) -> CommandError:
    return CommandError(Exit.WRONG_USE, f"{message}; `{options.advised(args, 'runs', 'JOB')}` lists the runs of a job")
