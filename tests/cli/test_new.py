"""New jobs, written into a tree of their own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from cli.commands import new
from shared.job import registry
from tests.cli.conftest import Answer, Call

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project without jobs, on this one's runtime and test fixtures."""
    for name in (
        "shared",
        "local",
        "pyproject.toml",
        "tests/conftest.py",
        "tests/support/stored_rows.py",
        "tests/support/web_server.py",
        "tests/support/certificate.py",
        "functions/__init__.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.setattr(new, "ROOT", tmp_path)
    return tmp_path


def verdict_of_tests(tree: Path) -> str:
    """What pytest says of the tree, its last line."""
    command = [sys.executable, "-m", "pytest", "-q", "-n0", "tests"]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    return done.stdout.splitlines()[-1]


def test_a_probe_is_whole_and_its_test_passes(call: Call, tree: Path) -> None:
    answer = call("new", "shops", "robots", "--archetype", "probe")
    assert answer.code == 0
    assert answer.out.splitlines() == [
        "functions/shops/robots.py",
        "events/shops/robots.json",
        "tests/functions/shops/test_robots.py",
        "functions/shops/__init__.py",
    ]
    assert re.match(r"3 passed", verdict_of_tests(tree))


def test_a_new_jobs_test_fails_until_its_work_is_written(call: Call, tree: Path) -> None:
    call("new", "shops", "tidy-up", "--archetype", "job", "--purpose", "Put everything in its place.")
    call("new", "shops", "orders", "--archetype", "consumer")
    assert re.match(r"2 failed", verdict_of_tests(tree))
    for name, unwritten, work in (
        ("tidy_up", r"raise NotImplementedError\(\"do.*", "return __import__('shared.job.outcome').outcome.Done()"),
        ("orders", r"raise NotImplementedError.*", "tick.log.info('taken')"),
    ):
        module = tree / "functions" / "shops" / f"{name}.py"
        module.write_text(re.sub(unwritten, work, module.read_text()))
    assert re.match(r"2 passed", verdict_of_tests(tree))


ON_TABLES = {
    "purge": ("--table", "sessions"),
    "forewarning": ("--table", "holds"),
    "rollup": ("--table", "messages", "--into", "sessions"),
    "sweep": ("--table", "aliases"),
    "pipeline": ("--table", "exports"),
}


@pytest.fixture
def alone(tree: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No job works on any table yet."""
    monkeypatch.setattr(registry, "jobs", dict)
    return tree


def test_what_deletes_and_what_adds_up_is_whole_and_off_until_it_is_looked_at(call: Call, alone: Path) -> None:
    for archetype in ("purge", "forewarning", "rollup"):
        assert call("new", "shops", f"tidy-{archetype}", "--archetype", archetype, *ON_TABLES[archetype]).code == 0
    assert re.match(r"3 passed", verdict_of_tests(alone))
    modules = [(alone / "functions" / "shops" / f"tidy_{kind}.py").read_text() for kind in ("purge", "forewarning")]
    assert all("    costly = True\n" in module for module in modules)
    assert (alone / "functions/mail/letters/tidy_forewarning.txt").read_text().startswith("Subject: $thing ")


def test_what_attempts_and_what_goes_through_steps_is_whole_once_its_work_is_written(call: Call, alone: Path) -> None:
    for archetype in ("sweep", "pipeline"):
        assert call("new", "shops", f"tidy-{archetype}", "--archetype", archetype, *ON_TABLES[archetype]).code == 0
    assert re.match(r"2 failed", verdict_of_tests(alone))
    fill(alone / "functions/shops/tidy_pipeline.py", "Over()")
    fill(
        alone / "functions/shops/tidy_sweep.py",
        "__import__('shared.archetypes.sweep.attempt').attempt.Settled()",
        '{"active": False}',
    )
    made = """Alias(user="ada", id="a@in.example", destination="d", created_at=at - timedelta(days=9), expires_at=at)"""
    fill(alone / "tests/functions/shops/test_tidy_sweep.py", made)
    assert re.match(r"2 passed", verdict_of_tests(alone))


def fill(module: Path, *works: str) -> None:
    """What is not written yet, in its order; the last is repeated."""
    left = list(works)
    text = re.sub(
        r"raise NotImplementedError.*",
        lambda _: f"return {left.pop(0) if len(left) > 1 else left[0]}",
        module.read_text(),
    )
    module.write_text(text)


def test_what_is_written_is_as_the_linter_wants_it(call: Call, alone: Path) -> None:
    for archetype in new.ARCHETYPES:
        # As long as a name may be.
        name = f"tidy-{'x' * (new.LONGEST_NAME - len(archetype) - 6)}-{archetype}"
        assert call("new", "shops", name, "--archetype", archetype, *ON_TABLES.get(archetype, ())).code == 0
    call("new", "shops", "tidy-again", "--archetype", "sweep", "--table", "notifications")
    for check in (["check"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *check, "functions/shops", "tests/functions"]
        done = subprocess.run(command, cwd=alone, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
    command = [sys.executable, "-m", "mypy", "functions/shops", "tests/functions"]
    done = subprocess.run(command, cwd=alone, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("purge",), "say --table: audit, "),
        (("purge", "--table", "nowhere"), "nowhere has no such index: audit, "),
        (("purge", "--table", "users"), "users has no such index"),
        (("sweep", "--table", "aliases"), "alias-expiration works on what is due in aliases already"),
        (("pipeline", "--table", "deliveries"), "webhook-retry works on what is due in deliveries already"),
        (("rollup", "--table", "holds", "--into", "sessions"), "includes no instant and number to add up"),
        (("rollup", "--table", "messages"), "say --into which table sums go"),
        (("rollup", "--table", "messages", "--into", "exports"), "say --into which table sums go"),
        (("rollup", "--table", "messages", "--into", "rollups"), "bandwidth-rollup adds up into rollups already"),
        (("probe", "--table", "sessions"), "a probe works on no table"),
    ],
)
def test_a_table_that_cannot_be_worked_on_is_refused_and_nothing_is_written(
    words: tuple[str, ...], said: str, call: Call, tree: Path
) -> None:
    answer = call("new", "shops", "tidy-up", "--archetype", *words)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err
    assert not (tree / "events").exists()


def test_only_requests_go_through_steps(call: Call, alone: Path) -> None:
    answer = call("new", "shops", "tidy-up", "--archetype", "pipeline", "--table", "aliases")
    assert (answer.code, "rows of aliases are no requests" in answer.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("sites", "pricing"), "there is a job 'pricing' already, in functions/sites/pricing.py"),
        (("sites", "Robots"), "lower-case words joined by hyphens"),
        (("sites", "../robots"), "lower-case words joined by hyphens"),
        (("sites", "a" * 41), "40 at most"),
        (("../sites", "robots"), "one lower-case word"),
        (("sites", "runs"), "a command of jobs.py"),
        (("sites", "class"), "could not be imported"),
        (("sites", "probe"), "an archetype"),
    ],
)
def test_a_name_that_cannot_be_is_refused_and_nothing_is_written(
    words: tuple[str, str], said: str, call: Call, tree: Path
) -> None:
    answer: Answer = call("new", *words, "--archetype", "probe")
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err
    assert not (tree / "events").exists()


def test_a_file_that_is_there_is_left_alone(call: Call, tree: Path) -> None:
    mine = tree / "events" / "shops" / "robots.json"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    answer = call("new", "shops", "robots", "--archetype", "probe")
    assert (answer.code, answer.out) == (2, "")
    assert mine.read_text() == "mine"
    assert not (tree / "functions" / "shops").exists()


def test_an_archetype_must_be_one(call: Call, tree: Path) -> None:
    answer = call("new", "shops", "robots", "--archetype", "miracle")
    assert answer.code == 2
    assert "probe" in answer.err
