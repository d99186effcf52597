"""Runs what is handed to workers (`<ENV>_RUN_BY=worker`), each run in a process that can be ended, until stopped."""

from __future__ import annotations

import argparse
import signal
from functools import cache, partial
from typing import Any

from cli import job_settings, options, output
from cli.commands.run import facts, summary
from cli.exit_codes import Exit, Stop
from cli.up import local_session
from local.cloud import running
from shared.advised_commands import without_stage
from shared.aws.cloud import Cloud
from shared.aws.names import WORK, Names
from shared.job import registry
from shared.observability.log import Log, to_stderr
from workers import delivery
from workers.worker import Worker

# Orchestrators wait for 30 s by default until they kill; writing the end down takes a few of them.
GRACE = 25


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--queue", default=WORK, help=f"take from another queue than {WORK}")
    parser.add_argument("--concurrency", type=int, default=1, metavar="N", help="how many to run at once; 1")
    parser.add_argument("--once", action="store_true", help="end when nothing is left to take")
    parser.add_argument(
        "--grace", type=int, default=GRACE, metavar="SECONDS", help=f"for runs to end in when stopped; {GRACE}"
    )
    options.arguments(parser)


def call(args: argparse.Namespace) -> int:
    _check(args)
    with options.opened(args) as cloud:
        worker = Worker(
            cloud,
            Log(to_stderr, cloud.clock),
            args.queue,
            partial(perform, cloud.names),
            args.concurrency,
            args.grace,
            told=lambda report: print(summary(facts(report)), flush=True),
            say=output.say,
        )
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: worker.stop())
        if not args.once:
            output.say(f"taking from {cloud.names.queue(args.queue)}, {args.concurrency} at once; Ctrl-C ends it")
        bad = worker.work(args.once)
    return Exit.FAILED if args.once and bad else Exit.DONE


def perform(names: Names, body: Any, request: str, first: bool) -> Any:
    """One delivery, in a child process."""
    cloud = _cloud(names)
    asked = delivery.read(cloud, body)
    if asked is None:
        return None
    with job_settings.of(asked[0], cloud):
        return delivery.deliver(body, request, cloud, Log(to_stderr, cloud.clock), first=first, watched=True)


@cache
def _cloud(names: Names) -> Cloud:
    return Cloud(names)


def _check(args: argparse.Namespace) -> None:
    if args.concurrency < 1 or args.grace < 0:
        raise Stop(Exit.WRONG_USE, "--concurrency is at least 1, and --grace no less than 0 seconds")
    taken = {name: job for job in registry.jobs().values() if job.queue for name in (job.queue, job.dead_queue())}
    if args.queue in taken:
        job = taken[args.queue].name
        raise Stop(Exit.WRONG_USE, f"{args.queue} is the function {job}'s; a worker takes from {WORK}")
    if not args.aws and not args.once and not running(local_session.folder()):
        raise Stop(Exit.NO_CLOUD, f"no local cloud is up; `{without_stage('up')}` starts it, or say --aws and --stage")
