"""`python jobs.py ...`: the first word is a command or a job's name."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from dotenv import load_dotenv

from cli import options, output
from cli.exit_codes import Exit, Stop
from shared.job.registry import UnknownJob
from shared.job.settings import SettingError
from shared.job.validation import DeclarationError

ROOT = Path(__file__).resolve().parent.parent
RUN = "cli.commands.run"
# Each is a module here with `arguments(parser)` and `call(args)`. None may be the name of a job.
COMMANDS = {
    "list": "what jobs there are, and when each fires next",
    "test": "run a job by hand on its sample event",
    "apply": "carry out a plan that a dry run has made",
    "pause": "hold a job back, or one target or tenant of it",
    "resume": "let go on what was paused",
    "runs": "the runs of a job, newest first",
    "why": "why a job ran, failed, or did not, and what to do",
    "status": "how each job's last run ended, by its status key",
    "dead": "dead letters: list, show, retry, purge, and the audit of that",
    "effects": "what jobs did to the world outside and nobody knows of: list it, settle it",
    "queues": "what waits in consumers' queues, for how long, and how much of it fails",
    "logs": "a job's log",
    "mail": "the mails that jobs have sent locally: list, show",
    "top": "how often each job succeeds, and how long it takes",
    "up": "start the local cloud with everything deployed, and fire jobs on schedule",
    "worker": "run what is handed to workers, until it is stopped",
    "seed": "put a group's sample data into the local cloud",
    "load": "bring records in from a file of JSON Lines",
    "sums": "what messages in files add up to, and whether the rollups have it so",
    "token": "print the token of the break-glass URL",
    "cost": "what the stack costs a month while nothing happens",
    "crontab": "a crontab for one-machine hosting",
    "heatmap": "how many jobs start when, over a day",
    "env": "a .env template of every setting",
    "new": "write the files of a new job",
    "generate": "write the files that are derived from the declarations",
}
USAGE = """usage: python jobs.py <job> [--dry-run] [--at TIME] [--target T] [--json] [--aws --stage S]
       python jobs.py <command> [...]

Runs a job, in this process, against the local cloud or, with --aws, against a stage of an account.
"""


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Stop(Exit.WRONG_USE, f"{message}\n{self.format_usage().strip()}")


def main(words: Sequence[str] | None = None, settings: Path | None = None) -> int:
    """Run one command; the exit code. settings: a .env file, for what the environment leaves open."""
    given = list(sys.argv[1:] if words is None else words)
    try:
        return _call(given, settings)
    except Stop as stop:
        return _stopped(given, stop.code, str(stop))
    except UnknownJob as error:
        return _stopped(given, Exit.WRONG_USE, error.args[0])
    except (DeclarationError, SettingError) as error:
        return _stopped(given, Exit.WRONG_USE, str(error))
    except BrokenPipeError:
        # `| head` has seen enough; Python's own flush at exit must not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE
    except KeyboardInterrupt:
        return _stopped(given, Exit.FAILED, "interrupted")


def leave() -> NoReturn:
    """The end of the process. A job's thread that will not end does not keep it."""
    code = main(settings=ROOT / ".env")
    sys.stdout.flush()
    sys.stderr.flush()
    strays = [thread for thread in threading.enumerate() if not thread.daemon]
    if len(strays) > 1:
        os._exit(code)
    sys.exit(code)


def _call(given: list[str], settings: Path | None) -> int:
    if not given or given[0] in ("-h", "--help", "help"):
        print(USAGE)
        output.table(["command", ""], COMMANDS.items())
        return Exit.DONE if given else Exit.WRONG_USE
    word, rest = given[0], given[1:]
    if word.startswith("-"):
        raise Stop(Exit.WRONG_USE, f"{word} comes after the job or the command: python jobs.py <job> {word}")
    module, parser = command(word)
    try:
        args = parser.parse_args(rest)
    except SystemExit:
        # --help has been printed.
        return Exit.DONE
    # `make run`, which is `up --once`, is the same for everybody: of the user it takes the environment, no file.
    if settings is not None and not (word == "up" and args.once):
        load_dotenv(settings)
    options.decide(args)
    code: int = module.call(args)
    return code


def command(word: str) -> tuple[ModuleType, Parser]:
    """The module that a command, or a job's name, is carried out by, and its parser."""
    module = importlib.import_module(f"cli.commands.{word}" if word in COMMANDS else RUN)
    parser = Parser(prog=f"python jobs.py {word}", description=COMMANDS.get(word, module.__doc__))
    if word not in COMMANDS:
        parser.set_defaults(job=word)
    module.arguments(parser)
    return module, parser


def _stopped(given: Sequence[str], code: Exit, message: str) -> int:
    if "--json" in given:
        output.document({"error": message, "code": int(code)})
    output.say(message)
    return code
