"""A file that a command is given, and is no regular one or too large, ends it with the reason."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from cli.main import main
from shared.plugins.manifest import discovery
from tests.cli.conftest import Call

Result = TypeVar("Result")

HUGE = 1 << 42
SECONDS = 20
COMMANDS = (
    ("send", "mailbox", "FILE"),
    ("load", "users", "FILE", "--check"),
    ("load", "users", "FILE.gz", "--check"),
    ("test", "good", "--event", "FILE"),
    ("cost", "--tenants", "FILE"),
)
SPECIAL: dict[str, Callable[[Path], None]] = {
    "it is a FIFO, not a regular file": os.mkfifo,
    "it is a device, not a regular file": lambda place: place.symlink_to("/dev/zero"),
}


def huge(place: Path) -> None:
    place.touch()
    os.truncate(place, HUGE)


def within_seconds(call: Callable[[], Result]) -> Result:
    """The result of the call; a failure if it hangs."""
    results: list[Result] = []
    thread = threading.Thread(target=lambda: results.append(call()), daemon=True)
    thread.start()
    thread.join(SECONDS)
    assert not thread.is_alive(), "it still reads"
    [result] = results
    return result


@pytest.mark.parametrize("reason", SPECIAL)
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_special_file_is_refused(words: tuple[str, ...], reason: str, call: Call, jobs: Path, tmp_path: Path) -> None:
    ending = ".gz" if "FILE.gz" in words else ""
    file = tmp_path / f"named{ending}"
    SPECIAL[reason](file)
    answer = within_seconds(lambda: call(*(str(file) if word.startswith("FILE") else word for word in words)))
    assert answer.code == 2
    assert f"{file} cannot be read: {reason}" in answer.err


@pytest.mark.parametrize("words", [words for words in COMMANDS if words[0] != "load"], ids=" ".join)
def test_a_huge_file_is_refused(words: tuple[str, ...], call: Call, jobs: Path, tmp_path: Path) -> None:
    huge(file := tmp_path / "named")
    answer = call(*(str(file) if word == "FILE" else word for word in words))
    assert answer.code == 2
    assert f"{file} cannot be read: it is larger than " in answer.err


@pytest.mark.parametrize("make", [*SPECIAL.values(), huge])
def test_the_settings_of_the_checkout_are_a_bounded_regular_file(
    make: Callable[[Path], None], jobs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(file := tmp_path / ".env")
    assert within_seconds(lambda: main(["list"], settings=file)) == 2
    assert f"{file} cannot be read: it is " in capsys.readouterr().err


@pytest.mark.parametrize("make", SPECIAL.values())
def test_a_manifest_is_a_regular_file(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(file := tmp_path / "plugin.toml")

    [error] = within_seconds(lambda: discovery.discover({"KB_PLUGIN_MANIFESTS": str(file)})).errors.values()
    assert "not a regular file" in str(error)
