"""The files that are generated from declarations, models and parsers.

.env.example and pages of docs/reference.

`python -m cli.generate.main` is `python jobs.py generate`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from cli.generate import (
    certificates_page,
    command_line_page,
    env_template,
    http_page,
    jobs_page,
    json_page,
    json_schema,
    permissions_page,
    records_page,
    settings_page,
    state_keys_page,
)
from shared.http import openapi
from shared.job import registry
from shared.job.definition import Job
from shared.text.untrusted_json import parse_json

REFERENCE = Path("docs") / "reference"
JSON_SCHEMA = REFERENCE / "json-output.schema.json"


def generated(jobs: Iterable[Job]) -> dict[Path, str]:
    """The text of every generated file, by its path in the project."""
    jobs = list(jobs)
    endpoints = registry.endpoints()
    return {
        Path(".env.example"): "\n".join(env_template.lines(jobs)) + "\n",
        REFERENCE / "certificates.md": certificates_page.page(),
        REFERENCE / "command-line.md": command_line_page.page(),
        REFERENCE / "http-operations.md": http_page.page(openapi.of(endpoints)),
        REFERENCE / openapi.FILE: openapi.text(endpoints),
        REFERENCE / "jobs.md": jobs_page.page(jobs),
        REFERENCE / "json-output.md": json_page.page(),
        JSON_SCHEMA: json_schema.text(),
        REFERENCE / "permissions.md": permissions_page.page(),
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


def breaking_changes(root: Path, wanted: dict[Path, str]) -> list[str]:
    """Changes of JSON documents that need another version.

    Compared with the schema under `root`.
    """
    stored = root / JSON_SCHEMA
    if JSON_SCHEMA not in wanted or not stored.exists():
        return []
    return list(json_schema.withdrawn(*map(parse_json, (stored.read_text(encoding="utf-8"), wanted[JSON_SCHEMA]))))


if __name__ == "__main__":
    from cli.main import main

    sys.exit(main(["generate", *sys.argv[1:]]))
