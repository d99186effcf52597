"""Apply a plan that `--dry-run` has stored.

Exactly that plan, or nothing if the rows have changed since.
"""

from __future__ import annotations

import argparse
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from cli import job_settings, log_lines, options, output
from cli.exit_codes import CommandError, Exit
from cli.job_arguments import find_job
from cli.registered_jobs import require_valid_settings
from cli.run_report import print_report
from cli.watchdog import run_watched
from shared.aws.cloud import Cloud
from shared.job.definition import Job
from shared.job.lease_margin import lease_seconds
from shared.job.outcome import Reason
from shared.plans import plan
from shared.plans.plan import PlanRefused, UnknownPlan
from shared.run.apply_plan import firing_for
from shared.run.firing import MAX_PARTS, Firing
from shared.run.report import RunReport

LOCKED = Reason.LOCKED.value
# Seconds between two tries to take a lease that another run holds.
PAUSE = 5
EXAMPLES = ("apply session-cleanup.prod.1f0c9a7e --aws --stage prod",)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("plan", help="id of the plan, as --dry-run or the brake's alert shows it")
    parser.add_argument("--json", action="store_true", help="print one JSON object; logs go to stderr in any case")
    log_lines.add_argument(parser)
    options.add_arguments(parser)
    options.add_services(parser)


def call(args: argparse.Namespace) -> int:
    with options.open_cloud(args) as cloud:
        try:
            stored = plan.load(cloud, args.plan)
        except UnknownPlan as error:
            raise CommandError(Exit.WRONG_USE, error.args[0]) from None
        except PlanRefused as error:
            raise CommandError(Exit.REFUSED, error.args[0]) from None
        job = find_job(stored.job)
        output.notice("\n".join(stored.lines()))
        firing = replace(firing_for(stored), correlation_id=uuid.uuid4().hex)
        with job_settings.load(job, cloud) as job:
            require_valid_settings([job])
            report = run_watched(job, firing, cloud, log_lines.writer(args))
            counts = Counter(report.counts)
            # A plan may exceed one run; here no queue delivers the continuation, so this loop runs it.
            while report.unfinished and firing.part < MAX_PARTS - 1:
                output.notice(f"so far {dict(counts)}")
                firing = firing.continuation()
                report = _run_when_free(job, firing, cloud, log_lines.writer(args))
                counts.update(report.counts)
        if report.unfinished or (firing.part and report.outcome == LOCKED):
            again = options.advised(args, "apply", args.plan)
            output.notice(f"the plan is not done; `{again}` goes on where it ended")
    return print_report(replace(report, counts=counts), args.json)


def _run_when_free(job: Job, firing: Firing, cloud: Cloud, log: Callable[[str], None]) -> RunReport:
    """Run the next part of a plan.

    A tick may have taken the lease since the last part; wait for its end.
    """
    until = cloud.clock.now() + timedelta(seconds=lease_seconds(job.timeout, cloud.environment))
    while True:
        report = run_watched(job, firing, cloud, log)
        if report.outcome != LOCKED or cloud.clock.now() >= until:
            return report
        output.notice("another run holds the lease; waiting for its end")
        cloud.clock.sleep(PAUSE)
