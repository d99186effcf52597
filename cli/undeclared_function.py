"""Hint about a job that is deployed but not declared."""

from __future__ import annotations

import argparse
import re

from cli import options
from cli.exit_codes import CommandError


def hint(args: argparse.Namespace, job: str) -> str:
    """A sentence for the message that there is no such job.

    Empty unless --aws is given and the stage has a function of that name.
    """
    if not getattr(args, "aws", False) or not re.fullmatch(r"[a-z0-9-]{1,40}", job):
        return ""
    try:
        with options.open_cloud(args, reading=True) as cloud:
            name = cloud.names.function(job)
            cloud.functions.get_function_configuration(FunctionName=name)
    except CommandError:
        # No such function, or no permission to ask: the message stands without the sentence.
        return ""
    return f"\nIts function {name} is still deployed: `{options.advised(args, 'drift')}` shows how to remove it"
