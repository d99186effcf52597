"""Print a .env template with every setting."""

from __future__ import annotations

import argparse

from cli.exit_codes import Exit
from cli.generate import env_template
from shared.job import registry

EXAMPLES = ("env",)


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command takes no options."""


def call(_args: argparse.Namespace) -> int:
    print("\n".join(env_template.lines(registry.jobs({}).values())))
    return Exit.DONE
