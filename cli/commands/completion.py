"""Print the completion script of a shell.

It completes `./jobs.py` with commands, jobs and options.
"""

from __future__ import annotations

import argparse
import importlib

from cli import registered_jobs
from cli.commands import COMMANDS
from cli.exit_codes import Exit
from cli.parser import Parser

EXAMPLES = ("completion bash", "completion zsh", "completion fish")
SHELLS = ("bash", "zsh", "fish")
PROGRAM = "jobs.py"
RUN = "run a job"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS, help="the shell that reads the script")


def call(args: argparse.Namespace) -> int:
    import shtab

    print(shtab.complete(complete_parser(), shell=args.shell))
    return Exit.DONE


def complete_parser() -> argparse.ArgumentParser:
    """One parser with all commands and the names of all jobs.

    An argument `job` of a command is completed with the names.
    """
    jobs = registered_jobs.jobs()
    parser = Parser(prog=PROGRAM)
    below = parser.add_subparsers(metavar="COMMAND")
    summaries = {**dict.fromkeys(jobs, RUN), **COMMANDS}
    for word, summary in summaries.items():
        module = importlib.import_module(f"cli.commands.{word if word in COMMANDS else 'run_job'}")
        command = below.add_parser(word, help=summary)
        module.arguments(command)
        for action in command._actions:
            if action.dest == "job" and not action.option_strings and action.choices is None:
                action.choices = list(jobs)
    return parser
