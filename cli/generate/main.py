"""Writes what is derived from declarations and models: .env.example, docs/jobs, docs/records.md.

`--check` says what is stale instead.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from cli import output
from cli.exit_codes import Exit
from cli.generate import env_template, job_page, records_page
from cli.options import ROOT
from shared.job import registry
from shared.job.definition import Job

PAGES = Path("docs") / "jobs"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a file is not current")


def call(args: argparse.Namespace) -> int:
    stale = differences(ROOT, derived(registry.jobs({}).values()))
    if not args.check:
        for path, text in stale.items():
            _put(ROOT / path, text)
        output.say(f"{len(stale)} files written" if stale else "all derived files are current")
        return Exit.DONE
    for path in stale:
        output.say(f"{path} is not what the declarations say; run `make generate`")
    return Exit.FAILED if stale else Exit.DONE


def derived(jobs: Iterable[Job]) -> dict[Path, str]:
    """Every derived file's text, by its path in the project."""
    known = list(jobs)
    return {
        Path(".env.example"): "\n".join(env_template.lines(known)) + "\n",
        PAGES / "README.md": job_page.index(known),
        Path("docs") / "records.md": records_page.page(known),
        **{PAGES / f"{job.name}.md": job_page.of(job) for job in known},
    }


def differences(root: Path, wanted: dict[Path, str]) -> dict[Path, str | None]:
    """What must change under `root`; None where the file must go, since its job is gone."""
    there = {path.relative_to(root) for path in (root / PAGES).glob("*.md")} | set(wanted)
    texts = {path: (root / path).read_text() if (root / path).exists() else None for path in sorted(there)}
    return {path: wanted.get(path) for path, text in texts.items() if text != wanted.get(path)}


def _put(path: Path, text: str | None) -> None:
    if text is None:
        path.unlink()
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


if __name__ == "__main__":
    from cli.main import main

    sys.exit(main(["generate", *sys.argv[1:]]))
