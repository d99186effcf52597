"""Run jobs that are routed to workers, each in a child process."""

from __future__ import annotations

import argparse
import signal
from functools import cache, partial
from typing import Any

from cli import job_settings, options, output, registered_jobs
from cli.exit_codes import CommandError, Exit
from cli.paths import local_folder
from cli.run_report import report_data, summary_line
from local.running import running
from shared.advised_commands import without_stage
from shared.aws.cloud import Cloud
from shared.aws.names import WORK, Names
from shared.observability.log import Log, to_stderr
from shared.run.report import RunReport
from workers import delivery
from workers.worker import Worker

EXAMPLES = ("worker", "worker --concurrency 4 --aws --stage prod")
# Orchestrators send SIGKILL 30 s after SIGTERM by default; recording the ends of runs takes a few of them.
GRACE = 25


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--queue", default=WORK, help="the queue to receive from (default: %(default)s)")
    parser.add_argument(
        "--concurrency", type=int, default=1, metavar="N", help="runs at the same time (default: %(default)s)"
    )
    parser.add_argument("--once", action="store_true", help="end when the queue is empty (default: run until stopped)")
    parser.add_argument(
        "--grace",
        type=int,
        default=GRACE,
        metavar="SECONDS",
        help="time for runs to end when stopped (default: %(default)s)",
    )
    options.add_arguments(parser)
    options.add_services(parser)


def call(args: argparse.Namespace) -> int:
    _check(args)
    with options.open_cloud(args) as cloud:
        log, run = Log(to_stderr, cloud.clock), partial(perform, cloud.names)
        worker = Worker(cloud, log, args.queue, run, args.concurrency, args.grace, _print, output.notice)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: worker.stop())
        if not args.once:
            output.notice(
                f"receiving from {cloud.names.queue(args.queue)}, {args.concurrency} at once; Ctrl-C stops it"
            )
        failed = worker.work(args.once)
    return Exit.FAILED if args.once and failed else Exit.DONE


def perform(names: Names, body: Any, request: str, first: bool) -> Any:
    """Run one delivery, in a child process."""
    cloud = _cloud(names)
    job_and_firing = delivery.read(cloud, body)
    if job_and_firing is None:
        return None
    with job_settings.load(job_and_firing[0], cloud):
        return delivery.deliver(body, request, cloud, Log(to_stderr, cloud.clock), first=first, watched=True)


@cache
def _cloud(names: Names) -> Cloud:
    return Cloud(names)


def _print(report: RunReport) -> None:
    print(summary_line(report_data(report)), flush=True)


def _check(args: argparse.Namespace) -> None:
    if args.concurrency < 1 or args.grace < 0:
        raise CommandError(Exit.WRONG_USE, "--concurrency must be at least 1, and --grace at least 0 seconds")
    taken = {
        name: job for job in registered_jobs.jobs().values() if job.queue for name in (job.queue, job.dead_queue())
    }
    if args.queue in taken:
        job = taken[args.queue].name
        raise CommandError(Exit.WRONG_USE, f"{args.queue} belongs to the function of {job}; workers use {WORK}")
    if not args.aws and not args.once and not running(local_folder()):
        raise CommandError(
            Exit.NO_CLOUD,
            f"the local cloud is not running; `{without_stage('up')}` starts it; or use --aws and --stage",
        )
