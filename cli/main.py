"""`python jobs.py ...`.

The first word is a command or the name of a job.
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
import threading
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from cli import declared_jobs, dotenv_file, options, output, undeclared_function
from cli.commands import COMMANDS
from cli.exit_codes import CommandError, Exit
from cli.parser import Parser, sentence
from cli.paths import ROOT
from shared.job.registry import UnknownJob
from shared.job.setting import SettingError
from shared.job.validation import DeclarationError

RUN = "cli.commands.run_job"
# A full disk or a folder without permission: no traceback helps.
MACHINE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)
USAGE = """usage: python jobs.py <job> [--dry-run] [--at TIME] [--target T] [--json] [--aws --stage S]
       python jobs.py <command> [...]

Runs a job in this process, against the local cloud or, with --aws, a stage of an AWS account.
`python jobs.py <command> --help` lists the options of a command.
"""


def main(words: Sequence[str] | None = None, settings: Path | None = None) -> int:
    """Run one command and return its exit code.

    settings: a .env file; the environment takes precedence over it.
    """
    with output.printable_streams():
        return _main(list(sys.argv[1:] if words is None else words), settings)


def _main(arguments: list[str], settings: Path | None) -> int:
    try:
        return _call(arguments, settings)
    except CommandError as error:
        return _stop(arguments, error.code, str(error))
    except UnknownJob as error:
        return _stop(arguments, Exit.WRONG_USE, error.args[0])
    except (DeclarationError, SettingError) as error:
        return _stop(arguments, Exit.WRONG_USE, str(error))
    except BrokenPipeError:
        # The reader, such as `| head`, has closed the pipe; Python's own flush at exit must not fail either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE
    except OSError as error:
        if error.errno not in MACHINE_ERRORS:
            raise
        return _stop(arguments, Exit.FAILED, f"{error.filename or 'this machine'}: {error.strerror}")
    except KeyboardInterrupt:
        return _stop(arguments, Exit.FAILED, "interrupted")


def leave() -> NoReturn:
    """Run the command and end the process, including threads of a job."""
    # Only in a process of its own: the files of its jobs do not change while it runs.
    declared_jobs.DeclarationCache.enabled = True
    code = main(settings=ROOT / ".env")
    sys.stdout.flush()
    sys.stderr.flush()
    if sum(not thread.daemon for thread in threading.enumerate()) > 1:
        os._exit(code)
    sys.exit(code)


def _call(arguments: list[str], settings: Path | None) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(USAGE)
        output.table(["command", ""], COMMANDS.items())
        return Exit.DONE if arguments else Exit.WRONG_USE
    word, rest = arguments[0], arguments[1:]
    if word.startswith("-"):
        raise CommandError(
            Exit.WRONG_USE, f"{word} comes after the job or the command: python jobs.py <job or command> {word}"
        )
    module, parser = command(word)
    try:
        args = parser.parse_args(rest)
    except SystemExit:
        # argparse has printed the help.
        return Exit.DONE
    if settings is not None and not _is_reproducible(word, args):
        dotenv_file.load(settings)
    options.resolve_stage(args)
    try:
        code: int = module.call(args)
    except UnknownJob as error:
        raise CommandError(Exit.WRONG_USE, error.args[0] + undeclared_function.hint(args, error.name)) from None
    return code


def command(word: str) -> tuple[ModuleType, Parser]:
    """The module and the parser of a command.

    For the name of a job, those of the command `run`.
    """
    module = importlib.import_module(f"cli.commands.{word}" if word in COMMANDS else RUN)
    summary = COMMANDS.get(word, "run a job in this process, through the same code as on AWS")
    examples = module.EXAMPLES if word in COMMANDS else [words.replace("JOB", word) for words in module.EXAMPLES]
    parser = Parser(prog=f"python jobs.py {word}", description=sentence(summary), examples=examples)
    if word not in COMMANDS:
        parser.set_defaults(job=word)
    module.arguments(parser)
    return module, parser


def _is_reproducible(word: str, args: Namespace) -> bool:
    """`up --once` (`make run`) reads no .env.

    It does the same for every user, except for their environment.
    """
    return word == "up" and bool(args.once)


def _stop(arguments: Sequence[str], code: Exit, message: str) -> int:
    if "--json" in arguments:
        output.document({"error": message, "code": int(code)})
    output.notice(message)
    return code
