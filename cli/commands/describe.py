"""Describe one job: guarantee, facts, permissions, settings and runbook, from its declaration."""

from __future__ import annotations

import argparse
import textwrap
from typing import TYPE_CHECKING

from cli import output
from cli.exit_codes import Exit
from cli.job_arguments import find_job
from cli.job_description import describe

if TYPE_CHECKING:
    from cli.shapes.jobs import DescribedJob, DescribedPermission

EXAMPLES = ("describe pricing", "describe pricing --json")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", help="name of the job")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def call(args: argparse.Namespace) -> int:
    described = describe(find_job(args.job))
    if args.json:
        output.document(described)
    else:
        _print(described)
    return Exit.DONE


def _print(described: DescribedJob) -> None:
    print(f"{described['name']}  (group {described['group']}, {described['source']})\n")
    print(described["description"])
    _print_section("Guarantee", described["guarantee"])
    _print_section("Proof", [described["proof"]["text"]])
    _print_section("Facts")
    width = max(map(len, described["facts"]))
    for name, value in described["facts"].items():
        print(f"{name:<{width}}  {value}")
    _print_section("Permissions", ["Its role allows this and nothing else."])
    print()
    output.table(["resource", "actions", "partition keys"], map(_permission_row, described["permissions"]))
    _print_section("Settings", ["Environment variables; a deployed function has those of its deployment."])
    print()
    settings = ([each["name"], each["default"], each["meaning"]] for each in described["settings"])
    output.table(["name", "default", "meaning"], settings)
    _print_section("When it fails", described["runbook"])
    print()
    output.table(["command", "purpose"], ([each["command"], each["for"]] for each in described["commands"]))


def _print_section(title: str, paragraphs: list[str] | None = None) -> None:
    print(f"\n{title}\n")
    if paragraphs:
        print("\n\n".join(textwrap.fill(paragraph, output.console().width) for paragraph in paragraphs))


def _permission_row(permission: DescribedPermission) -> list[str]:
    return [permission["resource"], ", ".join(permission["actions"]), ", ".join(permission["keys"])]
