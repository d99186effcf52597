"""Print a .env template with every setting."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING

from cli import output
from cli.exit_codes import Exit
from cli.generate import env_template
from shared.job import registry
from shared.job.definition import Job
from shared.job.setting import Setting

if TYPE_CHECKING:
    from cli.shapes.settings import ListedSetting

EXAMPLES = ("env", "env --json")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON array: each setting and its jobs")


def call(args: argparse.Namespace) -> int:
    jobs = registry.jobs({}).values()
    if args.json:
        output.document([setting_data(setting, users) for setting, users in env_template.settings_and_jobs(jobs)])
    else:
        print("\n".join(env_template.lines(jobs)))
    return Exit.DONE


def setting_data(setting: Setting, users: Iterable[Job]) -> ListedSetting:
    return {
        "name": setting.name,
        "default": setting.default,
        "meaning": setting.meaning,
        "jobs": [job.name for job in users],
        "external": setting.external,
    }
