"""Explain why a job ran, failed or did not run."""

from __future__ import annotations

import argparse
import textwrap
from datetime import datetime

from cli import job_settings, options, output
from cli.exit_codes import Exit
from cli.job_arguments import find_declared, find_host, find_job, find_target
from cli.period import parse_minute
from shared import redaction
from shared.admin.explain import Explanation, explain
from shared.admin.trace_reader import trace
from shared.clock import Clock
from shared.job.setting import BASE_URLS

EXAMPLES = ("why pricing", "why pricing --at 2026-11-21T04:15Z --aws --stage prod")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", help="name of the job")
    parser.add_argument(
        "--at",
        metavar="TIME",
        help="a time in the past, ISO 8601 (default: its last tick, or the missed one before it)",
    )
    parser.add_argument("--target", metavar="T", help="only this host or shard (default: the whole job)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options.add_arguments(parser)


def call(args: argparse.Namespace) -> int:
    at = parse_minute(args.at, Clock().now()) if args.at else None
    declared = find_declared(args.job)
    if declared.queue and not declared.entry["budgeted"] and args.target is None:
        # Its messages have no ticks, so that no setting matters: its code need not be imported.
        with options.open_cloud(args, reading=True) as cloud:
            explanation = explain(trace(cloud, declared, at), cloud.names.stage)
    else:
        explanation = _of_ticks(args, at)
    if args.json:
        facts = {"says": [explanation.headline, *explanation.facts]}
        commands = [{"command": command, "for": reason} for command, reason in explanation.commands]
        output.document({**explanation.data, **facts, "commands": commands})
        return Exit.DONE
    width = output.console().width
    print(redaction.text(explanation.headline))
    for sentence in explanation.facts:
        print(textwrap.fill(redaction.text(sentence), width, initial_indent="  ", subsequent_indent="  "))
    print()
    output.table(["to act", ""], explanation.commands)
    return Exit.DONE


def _of_ticks(args: argparse.Namespace, at: datetime | None) -> Explanation:
    """Explain a tick by the settings of the deployed job."""
    job = find_job(args.job)
    by_host = args.target is not None and job.shards == 1 and BASE_URLS in job.all_settings()
    target = args.target if by_host else find_target(job, args.target)
    with options.open_cloud(args, reading=True) as cloud, job_settings.load(job, cloud) as job:
        if by_host and target is not None:
            find_host(job, target, cloud)
        return explain(trace(cloud, job, at, target), cloud.names.stage)
