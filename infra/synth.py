"""Synthesis without the CDK command line.

In a child process, since CDK keeps state in its process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from infra.progress import PREFIX
from infra.template import Template
from shared.aws.names import PRODUCTION

ROOT = Path(__file__).resolve().parent.parent


class SynthError(Exception):
    """Synthesis failed; the message is the app's output."""


def synthesize(
    folder: Path,
    stage: str = PRODUCTION,
    *,
    root: Path = ROOT,
    nag: bool = False,
    report: Callable[[str], None] = lambda _: None,
) -> dict[str, Template]:
    """Write the templates of the tree at `root` into `folder`; return them.

    report: called with each line of progress. Raises SynthError.
    """
    context = {"stage": stage, **({"nag": "true"} if nag else {})}
    environment = {**os.environ, "CDK_OUTDIR": str(folder), "CDK_CONTEXT_JSON": json.dumps(context)}
    errors: list[str] = []
    with subprocess.Popen(
        [sys.executable, "-m", "infra.app"],
        cwd=root,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith(PREFIX):
                report(line.removeprefix(PREFIX).rstrip())
            else:
                errors.append(line)
    if process.returncode:
        raise SynthError("".join(errors).strip())
    return read(folder)


def files(folder: Path) -> dict[str, Path]:
    """Files of the templates in a folder such as cdk.out, by stack."""
    suffix = ".template.json"
    return {path.name.removesuffix(suffix): path for path in sorted(folder.glob(f"*{suffix}"))}


def read(folder: Path) -> dict[str, Template]:
    """Read the templates in a folder such as cdk.out, by stack."""
    return {stack: json.loads(path.read_text()) for stack, path in files(folder).items()}
