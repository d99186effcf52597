"""`completion` prints scripts that complete commands, jobs and options."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from cli.commands import COMMANDS
from cli.main import command
from tests.cli.conftest import Call

ROOT = Path(__file__).parents[2]
# Imported before a fixture replaces functions/, which some commands import.
MODULES = [command(word)[0] for word in COMMANDS]


def completed(script: str, *words: str) -> set[str]:
    """What bash offers for the last word."""
    array = " ".join(f"'{word}'" for word in words)
    tail = f'COMP_WORDS=({array}); COMP_CWORD={len(words) - 1}; _shtab_jobs_py; printf "%s\\n" "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-c", f"{script}\n{tail}"], capture_output=True, text=True, check=True)
    return {line.strip() for line in done.stdout.splitlines()}


def test_bash_completes_commands_jobs_and_options(call: Call, jobs: Path) -> None:
    script = call("completion", "bash").out
    assert {"pause", "pauses"} <= completed(script, "jobs.py", "paus")
    assert "good" in completed(script, "jobs.py", "goo")
    assert completed(script, "jobs.py", "why", "goo") == {"good"}
    assert "--dry-run" in completed(script, "jobs.py", "good", "--dr")


def test_the_script_for_zsh_names_commands_and_jobs(call: Call, jobs: Path) -> None:
    script = call("completion", "zsh").out
    assert script.startswith("#compdef jobs.py\n")
    assert all(word in script for word in ("drift:", "good:", "--dry-run"))
    if zsh := shutil.which("zsh"):
        assert subprocess.run([zsh, "-n"], input=script, text=True, check=False).returncode == 0


def test_fish_completes_commands_jobs_and_options(call: Call, jobs: Path, tmp_path: Path) -> None:
    script = call("completion", "fish").out
    assert script.count("complete -c jobs.py ") > len(COMMANDS)
    assert all(f" -a {word} -d " in script for word in ("pauses", "good"))
    if fish := shutil.which("fish"):
        (tmp_path / "jobs.fish").write_text(script)
        offered = f"source {tmp_path}/jobs.fish; complete -C 'jobs.py paus'; complete -C 'jobs.py why goo'"
        done = subprocess.run([fish, "-c", offered], capture_output=True, text=True, check=True)
        assert [line.split()[0] for line in done.stdout.splitlines()] == ["pause", "pauses", "good"]


@pytest.mark.parametrize("words", [(), ("nushell",)])
def test_another_shell_is_wrong_use(words: tuple[str, ...], call: Call) -> None:
    assert call("completion", *words).code == 2


def test_the_completed_program_can_be_started() -> None:
    assert (ROOT / "jobs.py").stat().st_mode & 0o111
