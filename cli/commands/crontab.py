"""A crontab for one-machine hosting: the declared schedules, a line each, for a cron that calls jobs.py."""

from __future__ import annotations

import argparse
import shlex
import textwrap
from collections.abc import Iterable, Iterator

from cli import options
from cli.exit_codes import Exit
from cli.options import ROOT
from shared import advised_commands
from shared.job import registry
from shared.job.definition import Job
from shared.job.schedule import UTC_ZONE, Schedule

WIDTH = 100
LOG = ".local/cron.log"
HEAD = f"""
The scheduled jobs as declared, written by `{advised_commands.without_stage("crontab")}`. Paste it below your own
lines in `crontab -e`: CRON_TZ holds for all lines after it.

Each line runs one tick and appends to {LOG}; nothing is mailed (to MAILTO) unless the job failed. A line that
fires twice, here or on a second machine that shares the state, does its work once.

CRON_TZ is cronie's (Fedora, RHEL, Amazon Linux, Arch). Debian's, Ubuntu's and most hosting panels' cron ignores it:
there, set the machine to UTC, or else shift the hours by hand.

cPanel: in Cron Jobs, put the five fields into their boxes and the rest into Command, without CRON_TZ. Where the host
limits how often cron may fire, take the nearest interval: a later tick covers those that were left out. Where it limits
how long a command may run, keep that above the seconds that stand beside each job's name.
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    options.arguments(parser)


def call(args: argparse.Namespace) -> int:
    print("\n".join(lines(registry.jobs().values(), advised_commands.flags(options.stage(args)))))
    return Exit.DONE


def lines(jobs: Iterable[Job], flags: Iterable[str] = ()) -> Iterator[str]:
    """The whole text; `flags` go to every call of jobs.py. Jobs without a schedule have no line."""
    scheduled = [(schedule, job) for job in jobs for schedule in job.schedules()]
    yield from _comment(HEAD)
    zone = None
    # UTC first; what shares a zone stands together.
    for schedule, job in sorted(scheduled, key=lambda entry: (entry[0].zone != UTC_ZONE, entry[0].zone)):
        if schedule.zone != zone:
            zone = schedule.zone
            yield from ("", f"CRON_TZ={zone}")
        yield ""
        yield from _comment(f"{job.name} ({job.timeout} s): {job.purpose()}")
        yield line(schedule, job, flags)


def line(schedule: Schedule, job: Job, flags: Iterable[str] = ()) -> str:
    """No percent sign may be in it: cron reads that as the end of the line."""
    words = [".venv/bin/python", "jobs.py", job.name, "--at", "now", *flags]
    complaint = shlex.quote(f"{job.name} failed, see {ROOT / LOG}")
    return (
        f"{schedule.expression} cd {shlex.quote(str(ROOT))} && mkdir -p .local && "
        f"{shlex.join(words)} >> {LOG} 2>&1 || echo {complaint}"
    )


def _comment(text: str) -> Iterator[str]:
    wrapped = [textwrap.wrap(" ".join(paragraph.split()), WIDTH) for paragraph in text.strip().split("\n\n")]
    for number, paragraph in enumerate(wrapped):
        yield from ["#"] if number else []
        yield from (f"# {line}" for line in paragraph)
