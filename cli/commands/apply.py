"""Carry out a plan that `--dry-run` has made: exactly that, or nothing where the world has moved."""

from __future__ import annotations

import argparse
import uuid
from collections import Counter
from dataclasses import replace

from cli import job_settings, options, output
from cli.commands.run import finished, found, perform
from cli.exit_codes import Exit, Stop
from shared.plans import plan
from shared.plans.plan import PlanRefused, UnknownPlan
from shared.run.firing import PARTS


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("plan", help="its id, as --dry-run or the brake's alert says it")
    parser.add_argument("--json", action="store_true", help="one JSON object; logs go to stderr either way")
    options.arguments(parser)


def call(args: argparse.Namespace) -> int:
    with options.opened(args) as cloud:
        try:
            made = plan.load(cloud, args.plan)
        except UnknownPlan as error:
            raise Stop(Exit.WRONG_USE, error.args[0]) from None
        except PlanRefused as error:
            raise Stop(Exit.REFUSED, error.args[0]) from None
        job = found(made.job)
        output.say("\n".join(made.lines()))
        firing = replace(made.firing, correlation_id=uuid.uuid4().hex)
        with job_settings.of(job, cloud) as job:
            report = perform(job, firing, cloud)
            counts = Counter(report.counts)
            # A plan may be larger than one run, and nobody else sends its next part.
            while report.unfinished and firing.part < PARTS - 1:
                output.say(f"so far {dict(counts)}")
                firing = firing.continuation()
                report = perform(job, firing, cloud)
                counts.update(report.counts)
    return finished(replace(report, counts=counts), args.json)
