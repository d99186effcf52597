"""Commands that alerts, errors, output and pages advise: each parses, and acts on the stage concerned."""

from __future__ import annotations

import argparse
import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.commands import COMMANDS, crontab
from cli.main import command
from cli.parser import Parser
from shared.advised_commands import advised, deployment, flags, without_stage
from shared.job import registry
from tests.contract.test_house_rules import ROOT, in_tests, parsed, sources

STAGES = ["prod", "staging", "local"]
# The command line's own usage, and a document that is written as a text.
MANUALS = ("cli/main.py", "cli/generate/records_page.py")
BUILDER = ROOT / "shared" / "advised_commands.py"
BY_HAND = re.compile(r"python jobs\.py [\w<]|cdk deploy --|^x? --aws")
PRODUCT = [path for path in sources(ROOT) if not in_tests(path, ROOT) and path not in (ROOT / "jobs.py", BUILDER)]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def spoken(node: ast.AST) -> str:
    """The text of a string, empty for anything else; `x` for what only a run fills in."""
    if isinstance(node, ast.JoinedStr):
        return "".join(spoken(part) or "x" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def literals(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Strings with their lines; those that stand alone are documentation and left out."""
    parts = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr | ast.Expr)
        for part in ast.iter_child_nodes(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr | ast.Constant) and id(node) not in parts and (text := spoken(node)):
            yield node.lineno, text


def advice(path: Path) -> Iterator[tuple[int, str, list[str]]]:
    """Line, builder and words of every command that a file builds. Words that only a run knows are `x`."""
    for node in ast.walk(parsed(path)):
        name = called(node)
        if isinstance(node, ast.Call) and name in ("advised", "without_stage"):
            words = node.args[1:] if name == "advised" else node.args
            known = [spoken(word) or "x" for word in words if not isinstance(word, ast.Starred)]
            # cli.options passes on the words of its callers.
            if known:
                yield node.lineno, name, known


def called(node: ast.AST) -> str:
    if not isinstance(node, ast.Call):
        return ""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def sends(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "alert.send"


ADVICE = [(f"{place(path)}:{line}", name, words) for path in PRODUCT for line, name, words in advice(path)]
FOR_A_STAGE = [pytest.param(words, id=where) for where, name, words in ADVICE if name == "advised"]
FOR_NONE = [pytest.param(words, id=where) for where, name, words in ADVICE if name == "without_stage"]


def read(line: str) -> tuple[str, argparse.Namespace]:
    """The command or job of a line, and its arguments as the command line parses them. Raises Stop."""
    program, script, word, *rest = shlex.split(line.partition(" > ")[0], comments=True)
    assert (program, script) == ("python", "jobs.py")
    return word, command(word)[1].parse_args(rest)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("words", FOR_A_STAGE)
def test_a_command_for_a_stage_parses_and_names_that_stage(words: list[str], stage: str) -> None:
    _, args = read(advised(stage, *words))
    assert (args.aws, args.stage) == ((False, None) if stage == "local" else (True, stage))


@pytest.mark.parametrize("words", FOR_NONE)
def test_a_command_for_no_stage_parses_and_is_one_that_needs_none(words: list[str]) -> None:
    word, args = read(without_stage(*words))
    if word != "JOB":
        assert word in COMMANDS
        # `crontab` takes a stage, and is right without one too.
        assert word == "crontab" or not hasattr(args, "aws")


def test_the_commands_of_all_alerts_are_among_those() -> None:
    senders = {where.partition(":")[0] for where, name, _ in ADVICE if name == "advised"}
    operations = {f"functions/operations/{name}.py" for name in ("job_monitoring", "dead_letters", "queue_health")}
    assert {
        *operations,
        "shared/plans/brake.py",
        "shared/run/budget_usage.py",
        "shared/archetypes/sweep/invalid_rows.py",
        "infra/alarms.py",
    } <= senders
    for path in PRODUCT:
        if any(called(node) == "Alert" or sends(node) for node in ast.walk(parsed(path))):
            # These pass on alerts that others made.
            assert place(path) in {*senders, "shared/observability/alerts.py", "functions/operations/_alerts.py"}


@pytest.mark.parametrize("path", PRODUCT, ids=place)
def test_no_command_is_written_by_hand(path: Path) -> None:
    if place(path) not in MANUALS:
        found = [f"{place(path)}:{line} {text!r}" for line, text in literals(parsed(path)) if BY_HAND.search(text)]
        assert not found, "build it by shared.advised_commands, so that it carries its stage"


@pytest.mark.parametrize(
    "text",
    ['f"python jobs.py why {job} --aws"', '"npx cdk deploy --all"', 'f"{first} --aws"', '" --aws" + stage'],
)
def test_a_command_that_is_written_by_hand_is_found(text: str) -> None:
    assert any(BY_HAND.search(found) for _, found in literals(ast.parse(f"told = [{text}]")))


def test_a_stage_of_an_account_is_always_named_and_the_local_one_has_no_flags() -> None:
    assert advised("prod", "why", "sweep") == "python jobs.py why sweep --aws --stage prod"
    assert advised("staging", "why", "sweep") == "python jobs.py why sweep --aws --stage staging"
    assert advised("local", "why", "sweep") == "python jobs.py why sweep"
    assert deployment("staging") == "npx cdk deploy --all -c stage=staging"


def test_words_are_quoted_for_a_shell() -> None:
    line = advised("staging", "runs", "a b; rm -rf ~", "--target", "$(id)")
    assert shlex.split(line)[3:6] == ["a b; rm -rf ~", "--target", "$(id)"]


@pytest.mark.parametrize("stage", STAGES)
def test_crontab_lines_parse_and_name_their_stage(stage: str) -> None:
    for job in registry.jobs({}).values():
        for schedule in job.schedules():
            line = crontab.line(schedule, job, flags(stage)).partition("&& .venv/bin/")[2].partition(" >>")[0]
            word, args = read(line)
            assert (word, args.aws, args.stage) == (job.name, stage != "local", None if stage == "local" else stage)


@pytest.mark.parametrize("name", [*COMMANDS, "pricing"])
def test_the_examples_of_a_command_parse_and_name_their_stage(name: str) -> None:
    for line in command(name)[1].examples:
        word, args = read(line)
        assert word == name
        aws = getattr(args, "aws", False) or getattr(args, "account", False)
        assert aws == ("--aws" in line), line
        # Templates of a stage are priced without its account.
        assert name == "cost" or aws == ("--stage" in line), line


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """A parser and those of its verbs."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from parsers(below)


def without_default(action: argparse.Action) -> bool:
    """Whether the help of an optional argument leaves out its default."""
    optional = action.nargs != 0 and not action.required if action.option_strings else action.nargs in ("?", "*")
    return optional and "default" not in (action.help or "") and not isinstance(action, argparse._SubParsersAction)


@pytest.mark.parametrize("name", [*COMMANDS, "pricing"])
def test_each_optional_argument_states_its_default(name: str) -> None:
    for parser in parsers(command(name)[1]):
        assert [action.dest for action in parser._actions if without_default(action)] == [], parser.prog


@pytest.mark.parametrize("name", [*COMMANDS, "pricing"])
def test_each_help_of_a_command_and_of_a_verb_ends_with_examples(name: str) -> None:
    for parser in parsers(command(name)[1]):
        assert isinstance(parser, Parser)
        assert parser.examples
        assert parser.format_help().rstrip().endswith(parser.examples[-1])
        for line in parser.examples:
            assert read(line)
            assert line.startswith(parser.prog)


@pytest.mark.parametrize("path", DOCUMENTS, ids=place)
def test_commands_of_a_document_parse_and_name_their_stage(path: Path) -> None:
    text = path.read_text()
    for line in re.findall(r"^(?:\S*bin/)?(python jobs\.py .+)$", text, re.MULTILINE) + re.findall(
        r"`(python jobs\.py [^`]+)`", text
    ):
        # A pattern, not a command.
        if not re.search(r"\[|\.\.\.$", line):
            word, args = read(line)
            # `cost` needs no account: it prices the templates of a stage.
            assert getattr(args, "aws", False) == ("--stage" in line and word != "cost"), line


@pytest.mark.parametrize("path", DOCUMENTS, ids=place)
def test_a_document_shows_no_flag_or_deployment_without_a_stage(path: Path) -> None:
    code = re.findall(r"`([^`\n]+)`|^(.*cdk deploy.*)$", path.read_text(), re.MULTILINE)
    for span in ("".join(pair) for pair in code):
        if "--aws" in span:
            assert "--stage" in span
        if "cdk deploy --all" in span:
            assert "-c stage=" in span
