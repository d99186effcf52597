"""docs/reference/settings.md: every setting with its default and meaning."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from cli.generate import env_template, markdown
from shared.job.definition import Job
from shared.job.setting import Setting

INTRODUCTION = """# Settings

Environment variables with their defaults. [Configure](../howto/configure.md) describes the forms of schedules, retries
and retention; `.env.example` is a template of the same settings.
"""
COLUMNS = ["name", "default", "meaning"]


def page(jobs: Iterable[Job]) -> str:
    users: dict[Setting, list[Job]] = defaultdict(list)
    groups: dict[str, list[Setting]] = defaultdict(list)
    for job in jobs:
        for setting in job.all_settings():
            users[setting].append(job)
    for setting, sharing in users.items():
        names = {job.name for job in sharing}
        groups[sharing[0].name if len(names) == 1 else ""].append(setting)
    shared = groups.pop("", [])
    parts = [
        f"## Deployment\n\n{_table(env_template.DEPLOYMENT)}",
        f"## Workers\n\n{_table(env_template.WORKERS)}",
        f"## Shared by several jobs\n\n{_shared_table(shared, users)}",
        *(f"## {job}\n\n{_table(settings)}" for job, settings in groups.items()),
    ]
    return markdown.page(INTRODUCTION, *parts)


def _table(settings: Iterable[Setting]) -> str:
    return markdown.table(COLUMNS, map(_row, settings))


def _shared_table(settings: Iterable[Setting], users: dict[Setting, list[Job]]) -> str:
    rows = ([*_row(setting), ", ".join(job.name for job in users[setting])] for setting in settings)
    return markdown.table([*COLUMNS, "jobs"], rows)


def _row(setting: Setting) -> list[str]:
    default = f"`{setting.default}`" if setting.default else ""
    return [f"`{setting.name}`", default, setting.meaning]
