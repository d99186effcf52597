"""Check a deployment before it: what would fail, be lost or change.

Compares the templates of this checkout with the deployed ones, and reads the account. With --from or --old nothing
but templates is read.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from cli import options, output, preflight, revision_templates
from cli.exit_codes import CommandError, Exit
from cli.paths import ROOT
from cli.preflight.change import Change
from cli.shapes.deployment import CheckedDeployment
from infra import stage_file
from infra.finding import Finding, Severity
from infra.template import Template
from shared.aws.names import LOCAL, PRODUCTION
from shared.job import registry

EXAMPLES = (
    "preflight --aws --stage prod",
    "preflight --from origin/main",
    "preflight --old before/cdk.out --new cdk.out --json",
)


def arguments(parser: argparse.ArgumentParser) -> None:
    before = parser.add_mutually_exclusive_group()
    before.add_argument(
        "--from",
        dest="revision",
        metavar="REV",
        help="compare with the templates of a commit (default: those deployed)",
    )
    before.add_argument(
        "--old",
        metavar="DIR",
        type=Path,
        help="compare with the templates in a folder like cdk.out (default: those deployed)",
    )
    parser.add_argument(
        "--new", metavar="DIR", type=Path, help="templates to deploy (default: synthesized from this checkout)"
    )
    parser.add_argument("--region", help="region to deploy to, without --aws (default: AWS_REGION)")
    parser.add_argument("--json", action="store_true", help='print one JSON object: {"refused", "findings": [...]}')
    options.add_arguments(parser)


def call(args: argparse.Namespace) -> int:
    offline = args.revision or args.old
    if offline and args.aws:
        raise CommandError(
            Exit.WRONG_USE, "--aws compares with what is deployed: leave out --from and --old, or --aws and --stage"
        )
    with tempfile.TemporaryDirectory() as folder:
        findings = list(_offline(args, Path(folder)) if offline else _online(args, Path(folder)))
    refused = sum(finding.severity is Severity.REFUSED for finding in findings)
    if args.json:
        output.document(document(findings))
    else:
        show(findings)
        output.notice(_summary(len(findings), refused))
    return Exit.REFUSED if refused else Exit.DONE


def document(findings: list[Finding]) -> CheckedDeployment:
    """The findings as `--json` shows them."""
    refused = sum(finding.severity is Severity.REFUSED for finding in findings)
    return {
        "refused": refused,
        "findings": [
            {
                "check": each.check,
                "severity": each.severity.value,
                "where": each.where,
                "problem": each.problem,
                "fix": each.fix,
            }
            for each in findings
        ],
    }


def show(findings: list[Finding]) -> None:
    """Print findings as a table, those that refuse first."""
    ordered = sorted(findings, key=lambda finding: finding.severity is not Severity.REFUSED)
    if ordered:
        rows = [[each.check, each.severity.value, each.where, each.problem, each.fix] for each in ordered]
        output.table(["check", "", "where", "problem", "fix"], rows)


def _summary(findings: int, refused: int) -> str:
    if refused:
        return f"{refused} findings stop this deployment, {findings - refused} are warnings"
    return f"nothing stops this deployment; {findings} warnings" if findings else "nothing stops this deployment"


def _offline(args: argparse.Namespace, folder: Path) -> Iterator[Finding]:
    region = args.region or os.environ.get("AWS_REGION", "")
    before = (
        revision_templates.of_folder(args.old)
        if args.old
        else revision_templates.of_revision(args.revision, folder / "old", PRODUCTION)
    )
    after = _after(args, folder, PRODUCTION)
    yield from preflight.compare(_change(PRODUCTION, before, after, region))


def _online(args: argparse.Namespace, folder: Path) -> Iterator[Finding]:
    stage = options.stage(args)
    after = _after(args, folder, stage)
    with options.open_cloud(args, reading=True) as cloud:
        before, after = (preflight.in_account(each, cloud) for each in (preflight.deployed(cloud), after))
        change = _change(stage, before, after, cloud.names.region if args.aws else "")
        yield from preflight.compare(change)
        yield from preflight.examine(change, cloud)


def _change(stage: str, before: Mapping[str, Template], after: Mapping[str, Template], region: str) -> Change:
    sources = dict.fromkeys(os.environ, "the environment of this command")
    secrets: tuple[str, ...] = ()
    if stage != LOCAL and stage in stage_file.known(ROOT):
        file = stage_file.read(stage, ROOT, registry.discover({}).jobs.values())
        sources |= {name: file.place for name in file.variables if not os.environ.get(name, "").strip()}
        secrets = file.secrets
    return Change(stage, before, after, region, sources, secrets)


def _after(args: argparse.Namespace, folder: Path, stage: str) -> Mapping[str, Template]:
    if args.new:
        return revision_templates.of_folder(args.new)
    return revision_templates.of_checkout(folder / "new", stage)
