"""Run the tick of a recorded run again, in this process.

A tick that is done, or covered by a later one, is not run twice: --manual runs the job without its tick.
"""

from __future__ import annotations

import argparse

from cli import job_settings, log_lines, options, output, recorded_run, run_report
from cli.commands.run_job import manual_firing, tick_firing
from cli.exit_codes import CommandError, Exit
from cli.job_arguments import find_job, find_target
from cli.recorded_run import RunInProgress
from cli.registered_jobs import require_valid_settings
from cli.watchdog import run_watched
from shared import clock
from shared.admin.run_chain import RunChain
from shared.aws.names import NO_TARGET
from shared.clock import Clock
from shared.dead_letters.letter import RESOLVED
from shared.job.outcome import Reason
from shared.ledger.ledger import tick_of

# Outcomes of a tick whose work was done by another run.
DONE_BEFORE = (Reason.DEDUPLICATED.value, Reason.SUPERSEDED.value)
EXAMPLES = (
    "replay 20261121T220500.123Z-9f2c61aa",
    "replay 20261121T220500.123Z-9f2c61aa --manual --aws --stage prod",
)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="id of the run, as `runs` shows it")
    parser.add_argument(
        "--manual", action="store_true", help="run the job by hand, also if the tick is done (default: the tick)"
    )
    run_report.add_arguments(parser)
    options.add_arguments(parser)
    options.add_services(parser)


def call(args: argparse.Namespace) -> int:
    with options.open_cloud(args) as cloud:
        chain = recorded_run.find(cloud, args.id, args)
        if isinstance(chain, RunInProgress):
            raise CommandError(Exit.REFUSED, f"run {args.id} of {chain.job} has not ended; nothing was done")
        _refuse_messages_and_dead_letters(chain, args)
        job = find_job(chain.job)
        require_valid_settings([job])
        with job_settings.load(job, cloud) as job:
            target = chain.row.get("target", NO_TARGET)
            target = find_target(job, None if target == NO_TARGET else target, cloud)
            # A gap of missed ticks is run for its first.
            tick = tick_of(str(chain.row.get("tick", ""))) or (
                clock.parse(chain.row["from"]) if "from" in chain.row else None
            )
            if args.manual or tick is None:
                firing = manual_firing(job, Clock().now(), target)
            else:
                firing = tick_firing(job, tick, target, cloud)
                output.notice(f"running the tick of {clock.minute(tick)} of {job.name}")
            report = run_watched(job, firing, cloud, log_lines.writer(args))
        if report.outcome in DONE_BEFORE:
            manual = options.advised(args, "replay", args.id, "--manual")
            output.notice(f"the work of this tick is done; `{manual}` runs the job by hand")
    return run_report.print_report(report, args.json, args.strict)


def _refuse_messages_and_dead_letters(chain: RunChain, args: argparse.Namespace) -> None:
    """Raise CommandError where a dead letter or SQS has the work."""
    letter = chain.dead_letter
    if letter and letter.get("state") != RESOLVED:
        retry = options.advised(args, "dead", "retry", letter["id"])
        raise CommandError(Exit.REFUSED, f"run {chain.run} ended as a dead letter; send it again: {retry}")
    if chain.entry["queue"]:
        why = options.advised(args, "why", chain.job)
        raise CommandError(
            Exit.REFUSED,
            f"run {chain.run} handled messages of {chain.entry['queue']}; SQS delivers failed ones again, see `{why}`",
        )
