"""A .env file that cannot be read ends the command with its reason, never with a traceback."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.environment import replace_environment
from cli.main import main


@pytest.fixture(autouse=True)
def surroundings() -> Iterator[None]:
    with replace_environment({name: value for name, value in os.environ.items() if name != "GOOD_STEP"}):
        yield


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("# ok\n# Köln\nBASE_URLS=[]\n".encode("latin-1"), "line 2 is not UTF-8; save the file as UTF-8"),
        ("BASE_URLS=[]\n".encode("utf-16"), "zero byte, as files in UTF-16 do"),
        ("BASE_URLS=[]\n".encode("utf-16-le"), "zero byte, as files in UTF-16 do"),
        (b"A=1\nB='never closed\n", 'line 2 is not NAME=value: "B=\'never closed"'),
        (b"A=1\n= 2\n", "line 2 is not NAME=value: '= 2'"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(
    content: bytes, reason: str, tmp_path: Path, jobs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / ".env"
    file.write_bytes(content)
    assert main(["list"], settings=file) == 2
    assert f"{file} cannot be read: " in (said := capsys.readouterr().err)
    assert reason in said


def test_a_folder_is_no_env_file(tmp_path: Path, jobs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"], settings=tmp_path) == 2
    assert "cannot be read: it is a folder, not a regular file" in capsys.readouterr().err


def test_a_byte_order_mark_is_not_part_of_the_first_name(tmp_path: Path, jobs: Path) -> None:
    file = tmp_path / ".env"
    file.write_bytes("GOOD_STEP=7\r\nexport OTHER='ä'\r\nEMPTY\r\n".encode("utf-8-sig"))
    assert main(["list"], settings=file) == 0
    assert (os.environ["GOOD_STEP"], os.environ["OTHER"]) == ("7", "ä")
    assert "EMPTY" not in os.environ


def test_the_environment_takes_precedence(tmp_path: Path, jobs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("GOOD_STEP=7\n")
    monkeypatch.setenv("GOOD_STEP", "8")
    assert main(["list"], settings=tmp_path / ".env") == 0
    assert os.environ["GOOD_STEP"] == "8"
