"""`--dry-run` of a job whose plan can be applied later.

Store the plan and print the command that applies it.
"""

from __future__ import annotations

import argparse
from typing import Any

from cli import operator_identity, options, output
from cli.exit_codes import Exit
from shared.aws.cloud import Cloud
from shared.job.definition import Job
from shared.plans import draft, plan
from shared.plans.plan import Plan
from shared.run.context import RunContext


def call(job: Job, run: RunContext, cloud: Cloud, args: argparse.Namespace) -> int:
    """`run` has a read-only cloud; `cloud` writes one thing, the plan."""
    with draft.from_actions(job.actions(run)) as drafted:
        stored = plan.create(cloud, job, run, drafted, _operator(cloud, args)) if drafted.size else None
        lines = drafted.lines()
    if args.json:
        shown = {"job": job.name, "tick": run.firing.position, "target": run.target, "dry": True, "plan": lines}
        output.document(shown | (_shown(stored) if stored else {}))
    elif stored:
        print("\n".join(lines))
        print(f"plan {stored.id}, of items due by {stored.cutoff}; until {stored.until} this applies exactly that:")
        print(f"  {options.advised(args, 'apply', stored.id)}")
    else:
        print("nothing to do")
    return Exit.DONE


def _shown(stored: Plan) -> dict[str, Any]:
    names = ("id", "cutoff", "made", "until", "who", "digest", "counts", "samples")
    return {name: getattr(stored, name) for name in names}


def _operator(cloud: Cloud, args: argparse.Namespace) -> str:
    return operator_identity.caller_arn(cloud) if args.aws else operator_identity.login()
