"""Command new: jobs generated into a tree of their own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from cli.commands import new
from cli.commands.new import table
from cli.exit_codes import CommandError
from cli.main import command
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
        "tests/support",
        "proof",
        "functions/__init__.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.setattr(new, "ROOT", tmp_path)
    return tmp_path


def verdict_of_tests(tree: Path) -> str:
    """Last line of pytest's output for the tree."""
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
    assert "Next, complete functions/shops/robots.py. Then:" in answer.err
    assert re.match(r"3 passed", verdict_of_tests(tree))


def test_a_new_jobs_test_fails_until_its_work_is_written(call: Call, tree: Path) -> None:
    answer = call("new", "shops", "tidy-up", "--archetype", "job", "--purpose", "Put everything in its place.")
    assert "complete functions/shops/tidy_up.py: its test fails until no NotImplementedError is left." in answer.err
    call("new", "shops", "orders", "--archetype", "consumer")
    assert re.match(r"2 failed", verdict_of_tests(tree))
    for name, unwritten, work in (
        ("tidy_up", r"raise NotImplementedError\(\"do.*", "return __import__('shared.job').job.Done()"),
        ("orders", r"raise NotImplementedError.*", "run.log.info('processed')"),
    ):
        module = tree / "functions" / "shops" / f"{name}.py"
        module.write_text(re.sub(unwritten, work, module.read_text()))
    assert re.match(r"2 passed", verdict_of_tests(tree))


ON_TABLES = {
    "purge": ("--table", "sessions"),
    "warned-purge": ("--table", "holds"),
    "rollup": ("--table", "messages", "--into", "rollups"),
    "sweep": ("--table", "aliases"),
    "pipeline": ("--table", "exports"),
}


@pytest.fixture
def alone(tree: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No job works on any table yet."""
    monkeypatch.setattr(registry, "discover", lambda *_: registry.Discovery({}, {}, {}))
    return tree


def test_a_purge_and_a_rollup_are_complete_and_purges_are_off_in_production(call: Call, alone: Path) -> None:
    for archetype in ("purge", "warned-purge", "rollup"):
        assert call("new", "shops", f"tidy-{archetype}", "--archetype", archetype, *ON_TABLES[archetype]).code == 0
    assert re.match(r"3 passed", verdict_of_tests(alone))
    modules = [(alone / "functions" / "shops" / f"tidy_{kind}.py").read_text() for kind in ("purge", "warned_purge")]
    assert all("    costly = True\n" in module for module in modules)
    assert (alone / "functions/mail/templates/tidy_warned_purge.txt").read_text().startswith("Subject: $thing ")


def test_a_sweep_and_a_pipeline_are_complete_once_their_work_is_written(call: Call, alone: Path) -> None:
    for archetype in ("sweep", "pipeline"):
        assert call("new", "shops", f"tidy-{archetype}", "--archetype", archetype, *ON_TABLES[archetype]).code == 0
    assert re.match(r"2 failed", verdict_of_tests(alone))
    fill(alone / "functions/shops/tidy_pipeline.py", "StepDone()")
    fill(
        alone / "functions/shops/tidy_sweep.py",
        "__import__('shared.archetypes.sweep').archetypes.sweep.Succeeded()",
        '{"active": False}',
    )
    alias = (
        """Alias(user="ada", id="a@in.example", destination="d", created_at=at - timedelta(days=9), expires_at=at)"""
    )
    fill(alone / "tests/functions/shops/test_tidy_sweep.py", alias)
    assert re.match(r"2 passed", verdict_of_tests(alone))


def fill(module: Path, *works: str) -> None:
    """Replace each NotImplementedError in order; the last text is repeated."""
    left = list(works)
    text = re.sub(
        r"raise NotImplementedError.*",
        lambda _: f"return {left.pop(0) if len(left) > 1 else left[0]}",
        module.read_text(),
    )
    module.write_text(text)


def test_generated_files_pass_the_linter_the_formatter_and_mypy(call: Call, alone: Path) -> None:
    for archetype in new.ARCHETYPES:
        # A name of the maximum length.
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
        (("purge",), "--table is missing; no table is free: declare one in shared/tables.py with an index `aged`"),
        (("purge", "--table", "nowhere"), "--table nowhere is not a table; no table is free"),
        (("purge", "--table", "users"), "users has no index `aged`"),
        (("purge", "--table", "audit"), "audit is worked on by audit-log-cleanup already"),
        (("warned-purge", "--table", "holds"), "holds is worked on by overflow-hold-expiry already"),
        (("sweep", "--table", "aliases"), "aliases is worked on by alias-expiration already"),
        (("pipeline", "--table", "deliveries"), "deliveries is worked on by webhook-retry already"),
        (("rollup", "--table", "holds", "--into", "sessions"), "has no timestamp, or no number to add up"),
        (("rollup", "--table", "messages"), "--into is missing; no table is free"),
        (("rollup", "--table", "messages", "--into", "exports"), "needs an index by age and no other"),
        (("rollup", "--table", "messages", "--into", "sessions"), "sessions has rows that are no sums"),
        (("rollup", "--table", "messages", "--into", "audit"), "audit has rows that are no sums"),
        (("rollup", "--table", "messages", "--into", "rollups"), "has the sums of bandwidth-rollup already"),
        (("probe", "--table", "sessions"), "a probe has no table"),
    ],
)
def test_an_unsuitable_table_is_rejected_and_nothing_is_written(
    words: tuple[str, ...], said: str, call: Call, tree: Path
) -> None:
    answer = call("new", "shops", "tidy-up", "--archetype", *words)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err
    assert not (tree / "events").exists()


@pytest.mark.parametrize("archetype", new.ARCHETYPES)
def test_the_advised_command_is_accepted_for_the_archetype(archetype: str) -> None:
    words = new.first_look(archetype, "tidy-up").split()[2:]
    command(words[0])[1].parse_args(words[1:])
    # Ticks have dry runs, messages have none.
    assert ("--dry-run" in words) == (archetype != "consumer")


@pytest.mark.parametrize("archetype", table.INDEXES)
def test_every_table_that_is_offered_is_accepted(archetype: str, alone: Path) -> None:
    offered = suggestions(archetype, None, None)
    assert offered
    for name in offered:
        for into in suggestions(archetype, name, None) if archetype == "rollup" else [None]:
            assert table.values(archetype, name, into)["rows"] == name


def suggestions(archetype: str, name: str | None, into: str | None) -> list[str]:
    with pytest.raises(CommandError) as refused:
        table.values(archetype, name, into)
    return str(refused.value).partition("choose one of ")[2].split(", ")


def test_a_pipeline_needs_a_table_of_requests(call: Call, alone: Path) -> None:
    answer = call("new", "shops", "tidy-up", "--archetype", "pipeline", "--table", "aliases")
    assert (answer.code, "aliases has rows that are no requests" in answer.err) == (2, True)


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
def test_an_invalid_name_is_rejected_and_nothing_is_written(
    words: tuple[str, str], said: str, call: Call, tree: Path
) -> None:
    answer: Answer = call("new", *words, "--archetype", "probe")
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err
    assert not (tree / "events").exists()


def test_an_existing_file_is_not_overwritten(call: Call, tree: Path) -> None:
    mine = tree / "events" / "shops" / "robots.json"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    answer = call("new", "shops", "robots", "--archetype", "probe")
    assert (answer.code, answer.out) == (2, "")
    assert mine.read_text() == "mine"
    assert not (tree / "functions" / "shops").exists()


def test_an_unknown_archetype_is_rejected(call: Call, tree: Path) -> None:
    answer = call("new", "shops", "robots", "--archetype", "miracle")
    assert answer.code == 2
    assert "probe" in answer.err
