"""Language of docstrings, command help and docs: the field's words, and short first lines."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.contract.test_house_rules import planted

FOLDERS = ("shared", "functions", "workers", "infra", "local", "cli", "benchmarks", "proof", "examples")
FIRST_LINE_WORDS = 12
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
# Pattern -> what to write instead.
BANNED = {
    r"\b(?:says?|said|tells?|told|telling|unsaid|aloud)\b": "reports, states, contains, logs, alerts",
    r"\b[Ww]h(?:o|at|om|ich|ose)(?:so)?ever\b": "name the subject",
    r"(?:^|[.:;] )What (?!(?:do|does|is|are|was|if|can|should|happens|to)\b[^.]*[?])[a-z']+ ": "begin with the noun",
    r"(?:^|[.:;] )Of (?!course\b)[a-z]+ ": "begin with the noun",
    r"(?:^|[.:;] )Who (?!(?:is|may|can|does|has)\b[^.]*[?])[a-z']+ ": "name the subject",
    r"\bso (?:many|much|few)\b(?! (?:as|that)\b)": "name the number",
    r"\binstants?\b": "timestamp, or time",
    r"\b(?:dies|died|deaths?|corpses?|bur(?:y|ied|ies)|haunted|graves?)\b": "interrupted, lost, expired",
    r"(?<!there )\b(?:is|are|was|were) none\b": "there is no x; an invalid x",
    r"\b(?:becomes?|became|comes?|came) of\b": "the result of",
    r"\ball the same\b|\bnone ?the ?less\b|\bmeanwhile\b|\bin between\b|\bthere(?:by|of)\b|\bhence\b": "leave it out",
    r"\bput(?:s|ting)? off\b": "defer",
    r"\bset(?:s|ting)? aside\b": "quarantine",
    r"\bhand(?:s|ed|ing)? over\b|\bhand-over\b": "route, pass",
    r"\b(?:given|gave|gives?|giving) up\b": "dead-letter, stop retrying",
    r"\bof (?:ours|theirs)\b|\b(?:is|are) (?:ours|theirs)\b": "name the owner",
    r"\bshall\b": "must, or the present tense",
    r"\bwithout a word\b|\blong ago\b|\bfor good\b": "leave it out",
    r"\bwhere (?:it|none) is(?:n't| not)? (?:said|given|named|set)\b": "(default: x)",
}
# Texts in which a banned phrase is the right one: file -> a part of the paragraph or docstring.
ALLOWED: dict[str, set[str]] = {
    # The rule itself, with examples of what not to write.
    "CONTRIBUTING.md": {"**Subject, verb, object.**", "| write | not |"},
}

Law = Callable[[Path], list[str]]


class Text(NamedTuple):
    where: str
    text: str


def first_lines_are_short(root: Path) -> list[str]:
    return [
        f"{where}: the docstring's first line has {words} words, {FIRST_LINE_WORDS} are allowed"
        for where, text in docstrings(root)
        if (words := len(text.partition("\n")[0].split())) > FIRST_LINE_WORDS
    ]


def no_banned_phrase_is_used(root: Path) -> list[str]:
    return [
        f"{where}: {match[0].strip()!r} in {' '.join(text.split())[:60]!r}; write: {instead}"
        for where, text in (*docstrings(root), *helps(root), *documents(root))
        for pattern, instead in BANNED.items()
        for match in re.finditer(pattern, text, re.MULTILINE)
        if not any(phrase in text for phrase in ALLOWED.get(where.partition(":")[0], ()))
    ]


def every_module_of_shared_is_on_the_map(root: Path) -> list[str]:
    path, shared = root / "docs" / "map.md", root / "shared"
    named = set(_on_the_map(path.read_text())) if path.exists() else set()
    modules = {
        module.relative_to(shared).with_suffix("").as_posix()
        for module in shared.rglob("*.py")
        if module.name != "__init__.py"
    }
    return [f"docs/map.md does not name `{module}`" for module in sorted(modules - named)]


LAWS: list[Law] = [first_lines_are_short, no_banned_phrase_is_used, every_module_of_shared_is_on_the_map]


def _on_the_map(text: str) -> Iterator[str]:
    """Modules in a map: `run/claim`; `mail/{relay, sending}`; or `store/` before `table`, `keys` in the same line."""
    for line in text.splitlines():
        folder = ""
        for name in re.findall(r"`([^`]+)`", line):
            stem, _, several = name.rstrip("}").partition("{")
            names = [stem + part.strip() for part in several.split(",")]
            yield from (prefix + each.rstrip("/") for each in names for prefix in ("", folder))
            if name.endswith("/"):
                folder = name


def sources(root: Path) -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(path for folder in FOLDERS for path in (root / folder).rglob("*.py")):
        yield path.relative_to(root).as_posix(), ast.parse(path.read_text())


def docstrings(root: Path) -> Iterator[Text]:
    for name, tree in sources(root):
        for node in ast.walk(tree):
            if isinstance(node, DOCUMENTED) and (text := ast.get_docstring(node)):
                yield Text(f"{name}:{getattr(node, 'lineno', 1)}", text)


def helps(root: Path) -> Iterator[Text]:
    """Help of options and commands: `help=`, `description=` and `epilog=` of any call."""
    for name, tree in sources(root):
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg in ("help", "description", "epilog"):
                strings = [part.value for part in ast.walk(node.value) if isinstance(part, ast.Constant)]
                if text := "".join(part for part in strings if isinstance(part, str)):
                    yield Text(f"{name}:{node.lineno}", text)


def documents(root: Path) -> Iterator[Text]:
    """Paragraphs of Markdown, without code blocks."""
    for path in sorted({*root.glob("*.md"), *(root / "docs").rglob("*.md")}):
        text = re.sub(r"(?ms)^ *```.*?^ *```", lambda block: "\n" * block[0].count("\n"), path.read_text())
        line = 1
        for paragraph in re.split(r"(\n{2,})", text):
            if paragraph.strip():
                yield Text(f"{path.relative_to(root).as_posix()}:{line}", re.sub(r"`[^`]*`", "`code`", paragraph))
            line += paragraph.count("\n")


@pytest.mark.parametrize(("words", "faults"), [(12, 0), (13, 1)])
def test_a_first_line_of_13_words_is_found(words: int, faults: int, tmp_path: Path) -> None:
    text = f'def f():\n    """{" ".join(["word"] * words)}\n\n    {"more " * 20}\n    """'
    found = first_lines_are_short(planted(tmp_path, {"local/clock.py": text}))
    assert [fault.split()[0] for fault in found] == ["local/clock.py:1:"] * faults


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("shared/clock.py", '"""The clock says the time."""'),
        ("shared/clock.py", 'def f():\n    """Parse a time.\n\n    What is no time is refused."""'),
        ("cli/runs.py", 'parser.add_argument("--since", help="so many days")'),
        ("cli/runs.py", 'parser.add_argument("--since", help=f"{x} (1h where it is not said)")'),
        ("docs/guide.md", "# Guide\n\nA run that died without a word."),
        ("README.md", "For whoever reads this"),
    ],
)
def test_a_banned_phrase_is_found(path: str, text: str, tmp_path: Path) -> None:
    faults = no_banned_phrase_is_used(planted(tmp_path, {path: text}))
    assert faults
    assert all(fault.startswith(f"{path}:") for fault in faults)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("shared/clock.py", '"""Parse timestamps."""\nsaid = "What is said"'),
        ("docs/guide.md", "What is a dead letter?\n\n```\nwhoever\n```\n\nThe option `tells`."),
        ("tests/unit/test_clock.py", '"""What the clock says."""'),
    ],
)
def test_code_and_questions_are_not_prose(path: str, text: str, tmp_path: Path) -> None:
    assert no_banned_phrase_is_used(planted(tmp_path, {path: text})) == []


def test_a_module_that_the_map_does_not_name_is_found(tmp_path: Path) -> None:
    modules = ("run/__init__", "run/claim", "run/run", "mail/relay", "mail/queue", "store/table", "store/keys")
    text = "`run/claims` and `run/run`; run/claim, `mail/{relay, queue}`\n`store/` `table`, `keys`\n`claim`"
    tree = {f"shared/{module}.py": "" for module in modules} | {"docs/map.md": text}
    assert every_module_of_shared_is_on_the_map(planted(tmp_path, tree)) == ["docs/map.md does not name `run/claim`"]
