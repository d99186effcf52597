"""Command lines of jobs.py for alerts, errors and pages.

Each has the flags for its deployment.
"""

from __future__ import annotations

import shlex

from shared.aws.names import LOCAL


def advised(stage: str, *words: str) -> str:
    """A command that acts on this stage, quoted for a shell."""
    return without_stage(*words, *flags(stage))


def without_stage(*words: str) -> str:
    """A command that acts on no deployment, such as `list`."""
    return shlex.join(["python", "jobs.py", *words])


def option(name: str, value: str) -> list[str]:
    """The words of an option with its value.

    One word for a value that looks like an option.
    """
    return [f"{name}={value}"] if value.startswith("-") else [name, value]


def deployment(stage: str) -> str:
    """The command that deploys a stage; the local cloud by starting it."""
    if stage == LOCAL:
        return without_stage("up")
    return shlex.join(["npx", "cdk", "deploy", "--all", "-c", f"stage={stage}"])


def flags(stage: str) -> list[str]:
    """None for the local cloud, which is the default.

    A stage of an account is always named: there is no default.
    """
    return [] if stage == LOCAL else ["--aws", "--stage", stage]
