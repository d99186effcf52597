"""`make run` and `make up` as at a terminal: real processes from end to end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.web_server import Reply, Web

ROOT = Path(__file__).parents[2]
# Far below a minute on an idle machine.
PATIENCE = 240
CHECKS = ("auth", "docs", "pricing", "webeval")

pytestmark = pytest.mark.timeout(2 * PATIENCE)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A user's environment, with an AWS profile that must not be used."""
    mine = {"AWS_PROFILE": "mine", "AWS_ACCESS_KEY_ID": "AKIAMINE", "AWS_SECRET_ACCESS_KEY": "mine"}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "NIGHTSHIFT_"))}
    return {**kept, **mine, "NIGHTSHIFT_LOCAL": str(tmp_path / "local"), "CI": "true", "COLUMNS": "200"}


def jobs(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "jobs.py", *words],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


def rows(text: str) -> dict[str, list[list[str]]]:
    """Cells of the first table, by job."""
    found: dict[str, list[list[str]]] = {}
    for line in text.strip().partition("\n\n")[0].splitlines()[1:]:
        words = line.split()
        found.setdefault(words[0], []).append(words[1:])
    return found


def test_make_run_shows_everything_once_and_leaves_nothing_running(environment: dict[str, str], tmp_path: Path) -> None:
    done = jobs(environment, "up", "--once")
    assert done.returncode == 0, done.stderr
    shown = rows(done.stdout)
    assert set(shown) == {*CHECKS, "crash"}
    for job in ("auth", "pricing", "webeval"):
        assert sorted(words[1] for words in shown[job]) == ["bad", "ok"]
    assert shown["crash"][0][:2] == ["dead", "letter"]
    assert "Red is intended" in done.stdout
    assert "at least 1 s" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr
    folder = tmp_path / "local" / "run"
    assert list(folder.glob("state/objects/*/nightshift-local-artifacts-*/pricing/*/latest.json"))
    assert not (folder / "endpoint.json").exists()
    # Its state can be read afterwards, by an engine that lives as long as the command.
    there = {**environment, "NIGHTSHIFT_LOCAL": str(folder)}
    attempts = json.loads(jobs(there, "runs", "crash", "--json").stdout)
    assert [row["attempt"] for row in attempts] == [3, 2, 1]
    (letter,) = json.loads(jobs(there, "dead", "list", "crash", "--json").stdout)
    assert letter["reason"] == "all 3 attempts used up"


@contextmanager
def up(environment: dict[str, str], folder: Path) -> Iterator[subprocess.Popen[str]]:
    """`make up` until it fires on schedule."""
    with (folder / "out").open("w") as out, (folder / "err").open("w") as err:
        process = subprocess.Popen([sys.executable, ROOT / "jobs.py", "up"], env=environment, stdout=out, stderr=err)
        try:
            until = time.monotonic() + PATIENCE
            while "Ctrl-C stops them" not in (folder / "out").read_text():
                assert process.poll() is None, (folder / "err").read_text()
                assert time.monotonic() < until
                time.sleep(0.2)
            yield process  # type: ignore[misc]
        finally:
            process.kill()
            process.wait()


def asked(environment: dict[str, str], path: str) -> Any:
    """Response of the break-glass URL to the printed command."""
    door = json.loads((Path(environment["NIGHTSHIFT_LOCAL"]) / "endpoint.json").read_text())["function_urls"]["trigger"]
    token = jobs(environment, "token").stdout.strip()
    request = urllib.request.Request(f"{door}/__cron/run/{path}", headers={"X-Internal-Health": token})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def test_make_up_stays_until_ctrl_c_with_the_users_own_site(environment: dict[str, str], tmp_path: Path) -> None:
    with Web() as site:
        site.answers["/pricing"] = Reply(200, "<p>Team: $9 a month</p>")
        mine = {**environment, "BASE_URLS": json.dumps([site.url])}
        with up(mine, tmp_path) as process:
            assert rows((tmp_path / "out").read_text())["pricing"][0][:2] == [site.host, "ok"]
            # Evaluations need a site that opted in.
            assert rows((tmp_path / "out").read_text())["webeval"][0][1] == "disabled"
            assert asked(environment, "pricing")["outcome"] == "done"
            assert f"pricing:last:{site.host}" in asked(environment, "status")
            assert jobs(environment, "pricing", "--json").returncode == 0
            second = jobs(environment, "up")
            assert (second.returncode, "is running already" in second.stderr) == (2, True)
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0
    assert "Traceback" not in (tmp_path / "err").read_text()
    # The state is restored.
    kept = json.loads(jobs(environment, "runs", "pricing", "--json").stdout)
    assert [row["outcome"] for row in kept] == ["done"] * 3
