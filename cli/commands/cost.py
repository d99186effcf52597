"""Estimate the cost of a stage.

Idle, of a million runs, by organization, and of a change.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli import options, output, revision_templates
from cli.exit_codes import CommandError, Exit
from infra import cost, run_cost
from infra.template import Template
from shared.aws.names import PRODUCTION
from shared.text.regular_file import read_regular

if TYPE_CHECKING:
    from cli.shapes.deployment import CostDifference, IdleCost, PricedItem

# Period of a job's runs.
SINCE = "7d"
# Bytes of a log that `--tenants` reads.
MAX_LOG = 256 * 1024 * 1024
EXAMPLES = (
    "cost",
    "cost --stage dev --json",
    "cost --jobs",
    "cost pricing --since 7d --aws --stage prod",
    "cost --diff origin/main",
    "cost --tenants log.json",
)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", nargs="?", help="price the recorded runs of this job (default: price the templates)")
    parser.add_argument("--since", metavar="DURATION", help="with a job: 12h, 7d (default: 7d)")
    parser.add_argument("--stage", help=f"the deployment whose templates are priced (default: {PRODUCTION})")
    parser.add_argument(
        "--aws",
        dest="account",
        action="store_true",
        help="with a job: use the AWS account of your credentials (default: local cloud)",
    )
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--jobs", action="store_true", help="price a million ticks or messages of each job")
    kind.add_argument(
        "--diff", metavar="REV", help="difference of idle cost and jobs to those of a commit (default: no comparison)"
    )
    kind.add_argument(
        "--tenants",
        metavar="FILE",
        type=Path,
        help="price the messages that a log (`logs JOB --json`) counts by day (default: none)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def call(args: argparse.Namespace) -> int:
    if args.job:
        return _recorded(args)
    if args.since or args.account:
        raise CommandError(Exit.WRONG_USE, "--since and --aws are for the recorded runs of a job: name the job")
    args.stage = args.stage or PRODUCTION
    # Read first: a synthesis takes a minute.
    messages = _messages(args.tenants) if args.tenants else []
    with tempfile.TemporaryDirectory() as folder:
        before = revision_templates.of_revision(args.diff, Path(folder) / "old", args.stage) if args.diff else None
        after = revision_templates.of_checkout(Path(folder) / "new", args.stage)
    if before is not None:
        _difference(before, after, args)
    elif args.jobs:
        _jobs(after, args)
    elif args.tenants:
        _tenants(after, messages, args)
    else:
        _idle(after, args)
    return Exit.DONE


def _recorded(args: argparse.Namespace) -> int:
    # Imported lazily: templates need no cloud.
    from cli import recorded_cost

    if args.jobs or args.diff or args.tenants:
        raise CommandError(Exit.WRONG_USE, "--jobs, --diff and --tenants price templates: leave the job out")
    args.aws, args.since = args.account, args.since or SINCE
    options.resolve_stage(args)
    return recorded_cost.call(args)


def _idle(templates: Mapping[str, Template], args: argparse.Namespace) -> None:
    lines = cost.idle(templates)
    if not args.json:
        print(cost.table(lines))
        return
    items: list[PricedItem] = [
        {"item": line.item, "count": line.count, "unit": line.unit, "dollars": round(line.dollars, 4)} for line in lines
    ]
    document: IdleCost = {"dollars": round(cost.total(lines), 2), "items": items}
    output.document(document)


def _jobs(templates: Mapping[str, Template], args: argparse.Namespace) -> None:
    found = run_cost.of_templates(templates)
    if args.json:
        output.document(
            [
                {
                    "job": each.job,
                    "unit": each.unit,
                    "memory": each.memory,
                    "a_month": round(each.a_month, 1),
                    "per_million": round(each.per_million, 4),
                    "per_second": round(each.per_second, 4),
                }
                for each in found
            ]
        )
        return
    columns = ["job", "unit", "MB", "a month", "dollars per million", "more per second of work"]
    rows = [
        [
            each.job,
            each.unit,
            each.memory,
            f"{each.a_month:,.0f}" if each.a_month else None,
            f"{each.per_million:.2f}",
            f"{each.per_second:.2f}",
        ]
        for each in found
    ]
    output.table(columns, rows)


def _tenants(templates: Mapping[str, Template], messages: list[Any], args: argparse.Namespace) -> None:
    found = run_cost.of_tenants(messages, run_cost.of_templates(templates))
    if args.json:
        output.document(
            [
                {
                    "organization": each.organization,
                    "day": each.day,
                    "job": each.job,
                    "messages": each.messages,
                    "dollars": round(each.dollars, 6),
                }
                for each in found
            ]
        )
        return
    rows = [[each.organization, each.day, each.job, each.messages, f"{each.dollars:.6f}"] for each in found]
    output.table(["organization", "day", "job", "messages", "dollars"], rows)


def _messages(file: Path) -> list[Any]:
    """The messages of a log, as `logs JOB --json` prints it."""
    try:
        return [line["message"] for line in json.loads(read_regular(file, MAX_LOG))]
    except OSError as error:
        raise CommandError(Exit.WRONG_USE, f"{file} cannot be read: {error.strerror or error}") from None
    except (ValueError, TypeError, KeyError) as error:
        raise CommandError(Exit.WRONG_USE, f"{file} is not the output of `logs JOB --json`: {error!r}") from None


def _difference(before: Mapping[str, Template], after: Mapping[str, Template], args: argparse.Namespace) -> None:
    old, new = ({line.item: line.dollars for line in cost.idle(each)} for each in (before, after))
    items = {
        item: (old.get(item, 0.0), new.get(item, 0.0))
        for item in sorted({*old, *new})
        if round(old.get(item, 0.0), 2) != round(new.get(item, 0.0), 2)
    }
    jobs = _changed_jobs(before, after)
    if args.json:
        document: CostDifference = {
            "before": round(sum(old.values()), 2),
            "after": round(sum(new.values()), 2),
            "items": [
                {"item": item, "before": round(was, 4), "after": round(now, 4)} for item, (was, now) in items.items()
            ],
            "jobs": [{"job": job, "before": was, "after": now} for job, (was, now) in jobs.items()],
        }
        output.document(document)
        return
    rows = [[item, f"{was:.2f}", f"{now:.2f}", f"{now - was:+.2f}"] for item, (was, now) in items.items()]
    total, totals = sum(new.values()) - sum(old.values()), (sum(old.values()), sum(new.values()))
    rows.append(["idle, dollars a month", f"{totals[0]:.2f}", f"{totals[1]:.2f}", f"{total:+.2f}"])
    output.table(["item", "before", "after", "difference"], rows)
    if jobs:
        output.table(["job, dollars per million", "before", "after"], [[job, *pair] for job, pair in jobs.items()])


def _changed_jobs(
    before: Mapping[str, Template], after: Mapping[str, Template]
) -> dict[str, tuple[float | None, float | None]]:
    """Jobs whose cost per million differs, or is missing on one side."""
    old, new = (
        {each.job: round(each.per_million, 2) for each in run_cost.of_templates(templates)}
        for templates in (before, after)
    )
    return {job: (old.get(job), new.get(job)) for job in sorted({*old, *new}) if old.get(job) != new.get(job)}
