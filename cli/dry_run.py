"""What `--dry-run` makes of a job whose plan can be carried out later: the plan, stored, and how to have it done."""

from __future__ import annotations

import argparse
import getpass
from typing import Any

from cli import options, output
from cli.exit_codes import Exit
from shared.aws.cloud import Cloud
from shared.job.definition import Job
from shared.plans import draft, plan
from shared.plans.plan import Plan
from shared.run.context import RunContext


def call(job: Job, run: RunContext, cloud: Cloud, args: argparse.Namespace) -> int:
    """tick: of a cloud that cannot be changed; the plan is the one thing that is written, by `cloud`."""
    with draft.of(job.actions(run)) as drafted:
        made = plan.store(cloud, job, run, drafted, _who(cloud, args)) if drafted.size else None
        lines = drafted.lines()
    if args.json:
        shown = {"job": job.name, "tick": run.firing.position, "target": run.target, "dry": True, "plan": lines}
        output.document(shown | (_shown(made) if made else {}))
    elif made:
        print("\n".join(lines))
        print(f"plan {made.id} of what was due by {made.cutoff}; until {made.until} exactly that is done by:")
        print(f"  {options.advised(args, 'apply', made.id)}")
    else:
        print("nothing to do")
    return Exit.DONE


def _shown(made: Plan) -> dict[str, Any]:
    names = ("id", "cutoff", "made", "until", "who", "digest", "counts", "samples")
    return {name: getattr(made, name) for name in names}


def _who(cloud: Cloud, args: argparse.Namespace) -> str:
    if args.aws:
        sts: Any = session.client("sts", region_name=cloud.names.region)
        return str(sts.get_caller_identity()["Arn"])
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container's user need not have a name.
        return "unknown"
