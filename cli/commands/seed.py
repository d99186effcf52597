"""Write sample data of a group into the local cloud."""

from __future__ import annotations

import argparse
import importlib.util
from contextlib import ExitStack

from cli import job_settings, options, output, registered_jobs
from cli.exit_codes import CommandError, Exit

EXAMPLES = ("seed flags", "seed mail --users 100")
COUNT = 6


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("group", help="group of jobs, a folder of functions/ with a seed.py")
    parser.add_argument(
        "--count",
        "--users",
        type=int,
        metavar="N",
        default=COUNT,
        help="how many of each kind, or users with all their rows (default: %(default)s)",
    )
    parser.add_argument(
        "--seed", type=int, metavar="N", default=1, help="the same number writes the same data (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object: the counts by kind")
    # Never on an account: jobs would send real mails for sample data.
    parser.set_defaults(aws=False, stage=None)


def call(args: argparse.Namespace) -> int:
    jobs = [job for job in registered_jobs.jobs().values() if job.group == args.group]
    groups = sorted({job.group for job in registered_jobs.jobs().values() if _has_seed(job.group)})
    if args.group not in groups:
        raise CommandError(
            Exit.WRONG_USE, f"the group {args.group!r} has no seed.py; these groups have one: {', '.join(groups)}"
        )
    if args.count < 1:
        raise CommandError(Exit.WRONG_USE, f"--count {args.count} writes nothing; it must be at least 1")
    seed = importlib.import_module(f"functions.{args.group}.seed").seed
    with options.open_cloud(args) as cloud, ExitStack() as settings:
        for job in jobs:
            settings.enter_context(job_settings.load(job, cloud))
        counts = seed(cloud, args.count, args.seed)
    if args.json:
        output.document(counts)
    else:
        print(output.fields(counts))
    return Exit.DONE


def _has_seed(group: str) -> bool:
    return importlib.util.find_spec(f"functions.{group}.seed") is not None
