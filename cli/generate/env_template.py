"""A .env template: every setting of every job, with its default and what it means."""

from __future__ import annotations

import argparse
import shlex
import textwrap
from collections import defaultdict
from collections.abc import Iterable, Iterator

from cli.environment import STAGE
from cli.exit_codes import Exit
from shared.advised_commands import without_stage
from shared.job import registry, settings
from shared.job.definition import Job
from shared.job.settings import Setting

WIDTH = 100
HEAD = f"""
Every setting there is, with its default. Copy this file to .env and uncomment what you change: `{without_stage()}`
reads .env, and what the environment says goes before it. docs/configuration.md has the forms of schedules, retries and
retention. Written by `make generate`.
"""
DEPLOYMENT = (
    settings.text(
        STAGE,
        "",
        "The deployment for commands with --aws and no --stage, and for workers of Celery and RQ; there is no default",
    ),
    settings.text("NIGHTSHIFT_LOCAL", ".local", "Where the local cloud keeps its state"),
    settings.text("NIGHTSHIFT_ALERTS_EMAIL", "", "Who gets the alerts by e-mail; read at deployment"),
)
WORKERS = (
    settings.text("NIGHTSHIFT_ACCOUNT", "", "The AWS account, for workers of Celery and RQ; jobs.py asks AWS itself"),
    settings.text("CELERY_BROKER_URL", "", "Celery's broker; the deployment's queue `celery` where it isn't set"),
    settings.text("CELERY_CONFIG_MODULE", "", "A module with whatever else Celery is to be told"),
    settings.text("NIGHTSHIFT_CELERY_APP", "", "A Celery app to use in place of ours, as shop.celery:app"),
    settings.text("RQ_REDIS_URL", "", "Where RQ's Redis is, as redis://localhost:6379/0"),
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """It needs none."""


def call(_args: argparse.Namespace) -> int:
    print("\n".join(lines(registry.jobs({}).values())))
    return Exit.DONE


def lines(jobs: Iterable[Job]) -> Iterator[str]:
    known = list(jobs)
    users: dict[Setting, list[Job]] = defaultdict(list)
    for job in known:
        for setting in job.all_settings():
            users[setting].append(job)
    yield from _comment(HEAD)
    yield from _section("The deployment", DEPLOYMENT)
    yield from _section("Workers outside of Lambda; docs/workers.md", WORKERS)
    for setting, sharing in users.items():
        if len(sharing) > 1:
            yield from _section(", ".join(job.name for job in sharing), [setting])
    for job in known:
        own = [setting for setting in job.all_settings() if len(users[setting]) == 1]
        yield from _section(f"{job.name}: {job.purpose()}", own)


def _section(title: str, known: Iterable[Setting]) -> Iterator[str]:
    yield ""
    yield from _comment(f"=== {title}")
    for setting in known:
        yield from _comment(f"{setting.meaning}.".replace("..", "."))
        yield f"#{setting.name}={shown(setting.default)}"


def shown(default: str) -> str:
    """As .env files and shells read it: quoted where it must be."""
    return shlex.quote(default) if default else ""


def _comment(text: str) -> Iterator[str]:
    yield from (f"# {line}" for line in textwrap.wrap(" ".join(text.split()), WIDTH))
