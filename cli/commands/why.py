"""Why a job ran, failed, or did not."""

from __future__ import annotations

import argparse
import textwrap

from cli import job_settings, options, output
from cli.commands.run import found, instant, targeted
from cli.exit_codes import Exit
from shared import redaction
from shared.admin import explain
from shared.admin.trace import trace
from shared.clock import Clock
from shared.job.settings import BASE_URLS


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job")
    parser.add_argument("--at", metavar="TIME", help="a time in the past, ISO 8601; its last tick where it isn't said")
    parser.add_argument("--target", metavar="T", help="the host or shard, where the job has several")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options.arguments(parser)


def call(args: argparse.Namespace) -> int:
    job = found(args.job)
    at = instant(args.at, Clock().now()) if args.at else None
    # A host may have left BASE_URLS since, and what is known of it is still known.
    hosted = args.target is not None and job.shards == 1 and BASE_URLS in job.all_settings()
    target = args.target if hosted else targeted(job, args.target)
    with options.opened(args) as cloud, job_settings.of(job, cloud) as job:
        told = explain.explain(trace(cloud, job, at, target), cloud.names.stage)
    if args.json:
        said = {"says": [told.headline, *told.facts]}
        shown = [{"command": command, "for": reason} for command, reason in told.commands]
        output.document({**told.data, **said, "commands": shown})
        return Exit.DONE
    width = output.console().width
    print(redaction.text(told.headline))
    for sentence in told.facts:
        print(textwrap.fill(redaction.text(sentence), width, initial_indent="  ", subsequent_indent="  "))
    print()
    output.table(["to act", ""], told.commands)
    return Exit.DONE
