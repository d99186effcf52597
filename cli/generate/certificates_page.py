"""docs/reference/certificates.md: the certificates of all jobs."""

from __future__ import annotations

from cli.generate import markdown
from infra import certificates

INTRODUCTION = """# Certificates

Results of `make prove` by job: how many calls its run makes, how many faults were tried at them, and what was found.
The columns are the findings of [the proof](../explain/proof.md). A certificate is of the commit in its row;
`describe JOB` reports whether the job's code has changed since. A job without a row was not tried.
"""
COLUMNS = ("calls", "points", "pairs", *certificates.FAULTS, "uncertain", "repeated", "seed", "commit")


def page() -> str:
    rows = (
        [f"`{name}`", *(f"{each[column]:,}" if isinstance(each[column], int) else each[column] for column in COLUMNS)]
        for name, each in sorted(certificates.stored().items())
    )
    return markdown.page(INTRODUCTION, markdown.table(["job", *(name.replace("_", " ") for name in COLUMNS)], rows))
