"""The files that are generated from declarations, models and parsers.

.env.example and pages of docs/reference.

`python -m cli.generate.main` is `python jobs.py generate`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from cli.generate import command_line_page, env_template, jobs_page, records_page, settings_page, state_keys_page
from shared.job.definition import Job

REFERENCE = Path("docs") / "reference"


def generated(jobs: Iterable[Job]) -> dict[Path, str]:
    """The text of every generated file, by its path in the project."""
    jobs = list(jobs)
    return {
        Path(".env.example"): "\n".join(env_template.lines(jobs)) + "\n",
        REFERENCE / "command-line.md": command_line_page.page(),
        REFERENCE / "jobs.md": jobs_page.page(jobs),
        REFERENCE / "records.md": records_page.page(jobs),
        REFERENCE / "settings.md": settings_page.page(jobs),
        REFERENCE / "state-keys.md": state_keys_page.page(),
    }


def differences(root: Path, wanted: dict[Path, str]) -> dict[Path, str]:
    """Generated files that are missing or differ under `root`."""
    return {
        path: text
        for path, text in wanted.items()
        if not (root / path).exists() or (root / path).read_text(encoding="utf-8") != text
    }


if __name__ == "__main__":
    from cli.main import main

    sys.exit(main(["generate", *sys.argv[1:]]))
