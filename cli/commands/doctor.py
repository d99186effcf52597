"""Check templates and declarations for known traps, and schedules against clock changes.

Reads no account: `preflight` does.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from cli import output, revision_templates
from cli.commands import preflight
from cli.exit_codes import Exit
from infra import doctor
from infra.finding import Severity
from shared.aws.names import PRODUCTION
from shared.clock import Clock
from shared.job import registry

EXAMPLES = ("doctor", "doctor --templates cdk.out --json")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--templates", metavar="DIR", type=Path, help="check the templates in a folder (default: synthesized now)"
    )
    parser.add_argument("--declarations", action="store_true", help="check declarations and schedules only")
    parser.add_argument("--json", action="store_true", help='print one JSON object: {"refused", "findings": [...]}')


def call(args: argparse.Namespace) -> int:
    findings = [*doctor.of_jobs(registry.jobs().values(), Clock().now())]
    if args.templates:
        findings += doctor.of_templates(revision_templates.of_folder(args.templates))
    elif not args.declarations:
        with tempfile.TemporaryDirectory() as folder:
            findings += doctor.of_templates(revision_templates.of_checkout(Path(folder), PRODUCTION))
    refused = sum(finding.severity is Severity.REFUSED for finding in findings)
    if args.json:
        output.document(preflight.document(findings))
    else:
        preflight.show(findings)
        output.notice(f"{refused} errors, {len(findings) - refused} warnings" if findings else "no findings")
    return Exit.REFUSED if refused else Exit.DONE
