"""Write sample data of a group into the local cloud."""

from __future__ import annotations

import argparse
import importlib.util
import os
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from cli import job_settings, options, output, registered_jobs
from cli.environment import replace_environment
from cli.exit_codes import CommandError, Exit
from cli.paths import local_folder
from shared.product.sample_organization import RECEIVER_URL

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.job.definition import Job

EXAMPLES = ("seed flags", "seed mail --users 100", "seed all --count 2")
COUNT = 6
ALL = "all"
# The local cloud's webhook receiver writes its URL to this file.
RECEIVER = "receiver.url"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("group", help=f"group of jobs, a folder of functions/ with a seed.py, or {ALL}")
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
    jobs = registered_jobs.jobs().values()
    groups = seeded_groups(jobs)
    if args.group not in (*groups, ALL):
        raise CommandError(
            Exit.WRONG_USE, f"the group {args.group!r} has no seed.py; these groups have one: {', '.join(groups)}"
        )
    if args.count < 1:
        raise CommandError(Exit.WRONG_USE, f"--count {args.count} writes nothing; it must be at least 1")
    chosen = groups if args.group == ALL else [args.group]
    counts = Counter[str]()
    with options.open_cloud(args) as cloud, ExitStack() as settings:
        for job in jobs:
            if job.group in chosen:
                settings.enter_context(job_settings.load(job, cloud))
        settings.enter_context(replace_environment(_receiver() | os.environ))
        for group in chosen:
            counts.update(seed(group, cloud, args.count, args.seed))
    if args.json:
        output.document(counts)
    else:
        print(output.fields(counts))
    return Exit.DONE


def seeded_groups(jobs: Iterable[Job]) -> list[str]:
    """Return the groups of these jobs that have a seed.py."""
    return sorted({job.group for job in jobs if importlib.util.find_spec(f"functions.{job.group}.seed")})


def seed(group: str, cloud: Cloud, count: int, number: int) -> dict[str, int]:
    """Write the sample data of a group.

    Returns the numbers of rows and messages by kind.
    """
    counts: dict[str, int] = importlib.import_module(f"functions.{group}.seed").seed(cloud, count, number)
    return counts


def _receiver() -> dict[str, str]:
    file = local_folder() / RECEIVER
    return {RECEIVER_URL.name: file.read_text().strip()} if file.is_file() else {}
