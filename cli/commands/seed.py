"""Puts a group's sample data into the local cloud, so that its jobs have something to do."""

from __future__ import annotations

import argparse
import importlib.util
from contextlib import ExitStack

from cli import job_settings, options, output
from cli.exit_codes import Exit, Stop
from shared.job import registry

COUNT = 6


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("group")
    many = f"how many of each thing, or users with all that they have; {COUNT} where it isn't said"
    parser.add_argument("--count", "--users", type=int, default=COUNT, help=many)
    parser.add_argument(
        "--seed", type=int, default=1, help="the same number makes the same data; 1 where it isn't said"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object: how many of what")
    # Never on an account: what a job does with such data is real.
    parser.set_defaults(aws=False, stage=None)


def call(args: argparse.Namespace) -> int:
    jobs = [job for job in registry.jobs().values() if job.group == args.group]
    groups = sorted({job.group for job in registry.jobs().values() if _module(job.group)})
    if args.group not in groups:
        raise Stop(Exit.WRONG_USE, f"the group {args.group!r} has no seed.py; there is one for: {', '.join(groups)}")
    if args.count < 1:
        raise Stop(Exit.WRONG_USE, f"--count {args.count} seeds nothing; say at least 1")
    seed = importlib.import_module(f"functions.{args.group}.seed").seed
    with options.opened(args) as cloud, ExitStack() as known:
        for job in jobs:
            known.enter_context(job_settings.of(job, cloud))
        made = seed(cloud, args.count, args.seed)
    if args.json:
        output.document(made)
    else:
        print(output.fields(made))
    return Exit.DONE


def _module(group: str) -> bool:
    return importlib.util.find_spec(f"functions.{group}.seed") is not None
