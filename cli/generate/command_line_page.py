"""docs/reference/command-line.md: every command with its options and examples, from the argument parsers."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from cli.commands import COMMANDS
from cli.environment import STAGE
from cli.exit_codes import Exit
from cli.generate import markdown
from cli.main import command
from cli.parser import Parser

RUN = "JOB"
# Both options are in one row: neither is used without the other.
STAGE_OPTIONS = ("aws", "stage")
STAGE_ROW = [
    "`--aws --stage STAGE`",
    f"use this stage of the AWS account of your credentials, by default {STAGE} (default: the local cloud)",
]
INTRODUCTION = """# Command line

The first word after `python jobs.py` is a command or the name of a job, which is then run in this process. Commands use
the local cloud, or with `--aws --stage STAGE` a stage of an AWS account. With `--json` they print one JSON document on
stdout; everything else goes to stderr. [JSON output](json-output.md) describes the documents.
"""
EXIT_CODES = {
    Exit.DONE: "done, or skipped for a valid reason",
    Exit.FAILED: "failed",
    Exit.WRONG_USE: "wrong use: an argument or a setting",
    Exit.NO_CLOUD: "the cloud cannot be reached, or is not deployed",
    Exit.REFUSED: "refused by a safety check; nothing was done",
}


def page() -> str:
    codes = markdown.table(["exit code", "meaning"], ([str(int(code)), text] for code, text in EXIT_CODES.items()))
    return markdown.page(INTRODUCTION, codes, *(_section(word) for word in (RUN, *COMMANDS)))


def _section(word: str) -> str:
    parser = command(word)[1]
    # Subparsers are shown as parts of their command.
    return "\n\n".join([f"## {word}", *_parts(parser)])


def _parts(parser: Parser) -> Iterator[str]:
    if parser.description:
        yield parser.description
    options = [action for action in parser._actions if not isinstance(action, _LEFT_OUT)]
    has_stages = any(action.dest == "aws" for action in options)
    rows = [[_names(action), _help(action)] for action in options if not (has_stages and action.dest in STAGE_OPTIONS)]
    if rows or has_stages:
        yield markdown.table(["argument", "meaning"], [*rows, *([STAGE_ROW] if has_stages else [])])
    if parser.examples:
        yield "\n".join(("```sh", *parser.examples, "```"))
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, sub in action.choices.items():
                yield f"### {parser.prog.rpartition(' ')[2]} {name}"
                yield from _parts(sub)


_LEFT_OUT = (argparse._HelpAction, argparse._SubParsersAction)


def _names(action: argparse.Action) -> str:
    if action.option_strings == ["--aws"]:
        # It always needs the stage.
        return STAGE_ROW[0]
    if action.option_strings:
        value = "" if action.nargs == 0 else f" {action.metavar or action.dest.upper()}"
        return ", ".join(f"`{name}{value}`" for name in action.option_strings)
    name = "|".join(map(str, action.choices)) if action.choices else str(action.metavar or action.dest)
    return f"`[{name}]`" if action.nargs in ("?", "*") else f"`{name}`"


def _help(action: argparse.Action) -> str:
    return (action.help or "") % {"default": action.default, "prog": ""}
