"""Print a crontab for hosting on one machine.

One line for each declared schedule, which calls jobs.py.
"""

from __future__ import annotations

import argparse
import shlex
import textwrap
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from cli import options, output, registered_jobs
from cli.exit_codes import CommandError, Exit
from cli.paths import ROOT
from cli.registered_jobs import require_valid_settings
from cli.stage_settings import stage_settings
from shared import advised_commands
from shared.job.definition import Job
from shared.job.schedule import UTC_ZONE, Schedule

if TYPE_CHECKING:
    from cli.shapes.schedules import CrontabLine

EXAMPLES = ("crontab", "crontab --aws --stage prod")
WIDTH = 100
LOG = ".local/cron.log"
HEAD = f"""
The declared schedules, written by `{advised_commands.without_stage("crontab")}`. Paste them below your own lines in
`crontab -e`: CRON_TZ applies to all lines after it.

Each line runs one tick and appends to {LOG}; cron sends mail (to MAILTO) only if the job failed. A line that fires
twice, here or on a second machine that shares the state, does its work once.

CRON_TZ is a feature of cronie (Fedora, RHEL, Amazon Linux, Arch). The cron of Debian, Ubuntu and most hosting panels
ignores it: there, set the machine to UTC, or shift the hours yourself.

cPanel: in Cron Jobs, enter the five fields in their boxes and the rest as Command, without CRON_TZ. If the host limits
how often cron may fire, take the nearest interval: a later tick does the work of the omitted ones. If it limits how
long a command may run, set that limit above the seconds shown with each job.
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON array: the line of each schedule")
    options.add_arguments(parser)
    options.add_services(parser)


def call(args: argparse.Namespace) -> int:
    with stage_settings(options.stage(args)):
        jobs = registered_jobs.jobs().values()
        require_valid_settings(jobs)
    flags = [*advised_commands.flags(options.stage(args)), *(["--real-services"] if args.real_services else [])]
    if args.json:
        output.document([line_data(schedule, job, flags) for schedule, job in _scheduled(jobs)])
    else:
        print("\n".join(lines(jobs, flags)))
    return Exit.DONE


def line_data(schedule: Schedule, job: Job, flags: Iterable[str]) -> CrontabLine:
    return {
        "job": job.name,
        "zone": schedule.zone,
        "schedule": schedule.unix,
        "timeout_s": job.timeout,
        "line": line(schedule, job, flags),
    }


def lines(jobs: Iterable[Job], flags: Iterable[str] = ()) -> Iterator[str]:
    """The whole crontab; `flags` are appended to each call of jobs.py.

    Jobs without a schedule have no line.
    """
    yield from _comment(HEAD)
    zone = None
    for schedule, job in _scheduled(jobs):
        if schedule.zone != zone:
            zone = schedule.zone
            yield from ("", f"CRON_TZ={zone}")
        yield ""
        yield from _comment(f"{job.name} ({job.timeout} s): {job.purpose()}")
        yield line(schedule, job, flags)


def _scheduled(jobs: Iterable[Job]) -> list[tuple[Schedule, Job]]:
    """Schedules with their jobs, those in UTC first, then by time zone."""
    scheduled = [(schedule, job) for job in jobs for schedule in job.schedules()]
    return sorted(scheduled, key=lambda entry: (entry[0].zone != UTC_ZONE, entry[0].zone))


def line(schedule: Schedule, job: Job, flags: Iterable[str] = ()) -> str:
    """One crontab line."""
    words = [".venv/bin/python", "jobs.py", job.name, "--at", "now", "--log", "json", *flags]
    failure = shlex.quote(f"{job.name} failed, see {ROOT / LOG}")
    command = f"cd {shlex.quote(str(ROOT))} && mkdir -p .local && {shlex.join(words)} >> {LOG} 2>&1 || echo {failure}"
    if "\n" in command:
        raise CommandError(Exit.WRONG_USE, f"a crontab line has no line feeds; move the project out of {str(ROOT)!r}")
    # An unescaped percent sign ends the command, within quotes too; what follows it becomes its input.
    return schedule.unix + " " + command.replace("%", r"\%")


def _comment(text: str) -> Iterator[str]:
    wrapped = [textwrap.wrap(" ".join(paragraph.split()), WIDTH) for paragraph in text.strip().split("\n\n")]
    for number, paragraph in enumerate(wrapped):
        yield from ["#"] if number else []
        yield from (f"# {line}" for line in paragraph)
