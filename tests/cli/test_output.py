"""Everything that a command prints is free of control characters of data."""

from __future__ import annotations

import io
import json
import re
import sys

import pytest

from cli import main, output
from shared.text.printable import UNSAFE

# Clear the screen, rename the window, C1's CSI, move left, reverse the reading order, hide text, ring.
HOSTILE = "a\x1b[2J\x1b]0;owned\x07\x9b31m\x08\u202egpj.exe\u2066\u200b\x1b[8mhidden\r\x85z"
KEPT = frozenset("\n\t")


def unsafe(shown: str) -> set[str]:
    return set(UNSAFE.findall(shown)) - KEPT


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("terminal", [False, True])
def test_no_output_function_prints_a_control_character(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    out, err = (Terminal(), Terminal()) if terminal else (io.StringIO(), io.StringIO())
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.setenv("NO_COLOR", "1")
    output.document({"error": HOSTILE, HOSTILE: [HOSTILE]})
    assert json.loads(out.getvalue())["error"] == HOSTILE
    output.notice(HOSTILE)
    print(output.fields({"note": HOSTILE}))
    output.table(["name", "note"], [[HOSTILE, HOSTILE], [HOSTILE, None]])
    # The columns' names are bold on a terminal.
    shown = re.sub("\x1b\\[[01]m", "", out.getvalue() + err.getvalue())
    assert unsafe(shown) == set()
    assert "owned" in err.getvalue()


def test_what_a_command_prints_by_itself_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    with output.printable_streams():
        print(HOSTILE)
        print(HOSTILE, file=sys.stderr)
        sys.stdout.writelines([HOSTILE, "\n"])
        assert not sys.stdout.isatty()
    assert unsafe(out.getvalue() + err.getvalue()) == set()
    assert (sys.stdout, sys.stderr) == (out, err)


def test_a_terminal_keeps_our_colours_and_no_other_sequence(monkeypatch: pytest.MonkeyPatch) -> None:
    out = Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    with output.printable_streams():
        print("\x1b[31mred\x1b[0m\x1b]0;owned\x07\x1b[2J")
    assert out.getvalue() == "\x1b[31mred\x1b[0m\\x1b]0;owned\\x07\\x1b[2J\n"


@pytest.mark.parametrize("words", [[HOSTILE], ["why", HOSTILE], ["runs", "pricing", "--at", HOSTILE], ["--" + HOSTILE]])
def test_an_error_that_quotes_an_argument_is_escaped(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(words) != 0
    shown = capsys.readouterr()
    assert unsafe(shown.out + shown.err) == set()


def test_an_optional_column_is_shown_only_with_a_value(capsys: pytest.CaptureFixture[str]) -> None:
    columns = ["id", "tenant", "job"]
    output.table(columns, [["a", "", "x"], ["b", None, "y"]], spare=["tenant"], optional=["tenant"])
    assert capsys.readouterr().out.splitlines()[0].split() == ["id", "job"]
    output.table(columns, [["a", "", "x"], ["b", "org_7", "y"]], optional=["tenant"])
    assert capsys.readouterr().out.splitlines()[0].split() == columns


def test_a_narrow_block_has_no_label_for_a_column_without_a_name(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    output.table(["to act", ""], [["python jobs.py dead list " * 3, "list the dead letters of all jobs"]])
    assert capsys.readouterr().out.splitlines()[-1] == "  list the dead letters of all jobs"
