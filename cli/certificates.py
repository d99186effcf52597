"""Certificates of jobs: whether one is of the present code."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from cli.paths import ROOT
from infra.certificates import FILE, holds, stored, summary
from shared.job.definition import Job

if TYPE_CHECKING:
    from cli.shapes.jobs import DescribedProof

# Folders whose code takes part in the runs of each job: the core, and the jobs that watch the others.
EVERYWHERE = ("shared", "functions/operations")


def code_digest(job: Job, root: Path = ROOT) -> str:
    """Digest of a job's code: core, watchers and its group."""
    digest = hashlib.sha256()
    for path in sorted(set(_sources(job, root))):
        digest.update(f"{os.path.relpath(path, root)}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def proof_of(job: Job, file: Path = FILE) -> DescribedProof:
    """Describe the certificate of a job, or its absence."""
    certificate, again = stored(file).get(job.name), f"make prove JOB={job.name} ARGS=--write"
    if certificate is None:
        return {"current": False, "holds": False, "text": f"No certificate: nobody has tried this job; `{again}` does."}
    text, current = summary(certificate), certificate["code"] == code_digest(job)
    if not current:
        text = f"The certificate is of other code than this: {text} `{again}` renews it."
    return {"current": current, "holds": holds(certificate), "text": text}


def _sources(job: Job, root: Path) -> Iterator[Path]:
    group = "/".join(job.module.split(".")[:2])
    for folder in (*EVERYWHERE, group, *(carried.as_posix() for carried in job.carries.values())):
        yield from (path for path in (root / folder).rglob("*") if path.suffix in (".py", ".toml", ".json"))
