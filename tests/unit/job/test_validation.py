"""Rules for job declarations, and errors that name the place."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent, indent

import pytest

from shared.job import manifest, registry
from shared.job.registry import UnknownJob
from shared.job.validation import DeclarationError

GOOD = '''
from shared.job.idempotency import natural
from shared.job.definition import Job
from shared.job.outcome import Done
from shared.job.schedule import cron, every


class {name}(Job):
    """Do it."""

    schedule = every(minutes=15)
    idempotency = natural("nothing to do the second time")
{extra}

    def work(self, run):
        return Done()
'''

BUDGET = "from shared.job.budget import Budget\nbudget = Budget"
CATCH_UP = "from shared.job.schedule import CatchUp\ncatch_up = CatchUp.ONCE"


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A functions/ of its own, in place of the project's."""
    (tmp_path / "functions" / "demo").mkdir(parents=True)
    (tmp_path / "functions" / "__init__.py").write_text("")
    (tmp_path / "functions" / "demo" / "__init__.py").write_text("")
    hidden = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "functions"}
    for name in hidden:
        del sys.modules[name]
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield tmp_path / "functions" / "demo"
    for name in [name for name in sys.modules if name.split(".")[0] == "functions"]:
        del sys.modules[name]
    sys.modules.update(hidden)


def declare(folder: Path, module: str, extra: str = "", name: str = "Sweep") -> None:
    (folder / f"{module}.py").write_text(GOOD.format(name=name, extra=indent(dedent(extra), "    ")))


def test_a_job_is_found_and_named_by_its_module(tree: Path) -> None:
    declare(tree, "sweep_holds")
    job = registry.find("sweep-holds")
    assert (job.name, job.group, job.key, job.env) == ("sweep-holds", "demo", "sweep-holds", "SWEEP_HOLDS")


def test_a_module_without_a_job_and_a_private_one_are_left_alone(tree: Path) -> None:
    (tree / "records.py").write_text("ANSWER = 42\n")
    (tree / "_broken.py").write_text("raise ImportError\n")
    assert registry.jobs() == {}


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ("idempotency = None", "declares no idempotency"),
        ("cap = 0", "cap is 0; a run must be allowed at least 1 item"),
        ("timeout = 901", "timeout is 901 s"),
        ("timeout = 5", "timeout is 5 s"),
        ("memory = 64", "memory is 64 MB"),
        ("shards = 0", "shards is 0"),
        ("retention = 'forever'", "retention is 'forever'"),
        ("name = 'status'", "the name 'status' is a command of jobs.py"),
        ("name = 'Sweep_Holds'", "must be lower-case words joined by hyphens"),
        ("queue = 'flagship:usage'", "declares a queue and a schedule"),
        (f"{BUDGET}(items=0)", "has an invalid budget: items is 0; it must be 1 to 1000000000"),
        (f"{BUDGET}(dollars=-2.5)", "has an invalid budget: dollars is -2.5"),
        (f"{BUDGET}(items=5, per='week')", "has an invalid budget: per is 'week'; it must be day or month"),
        (f"{BUDGET}()", "has an invalid budget: it limits nothing; set items, dollars, or both"),
        (f"{BUDGET}(items=3)\nshards = 4", "has a budget of 3 items and 4 shards; each shard needs 1 at least"),
        (
            f"{BUDGET}(items=3)\nschedule = None\nqueue = 'a'",
            "declares a budget and a queue; batches run concurrently",
        ),
        ("catch_up = 'twice'", "catch_up is 'twice'; it must be CatchUp.NONE or CatchUp.ONCE"),
        (f"{CATCH_UP}\nschedule = None", "declares catch_up without a schedule whose ticks could be missed"),
        (f"{CATCH_UP}\ngrace = 90", "runs missed ticks late by CatchUp.ONCE and drops late ticks by a grace of 90 s"),
        ("from shared.job.retry import explicit\nretry = explicit(901)", "retry waits longer than the 900 s"),
        ("from shared.job.retry import fixed\nretry = fixed(delay=1, retries=7)", "retry has 8 attempts"),
    ],
)
def test_a_bad_declaration_is_refused_and_says_where(tree: Path, extra: str, said: str) -> None:
    declare(tree, "sweep_holds", extra)
    with pytest.raises(DeclarationError) as refused:
        registry.jobs()
    assert str(refused.value).startswith("functions/demo/sweep_holds.py:8 Sweep: ")
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ('schedule = cron("0 0 31 2 *")', "'0 0 31 2 *' never fires"),
        ('idempotency = natural(" ")', "needs the reason for it"),
    ],
)
def test_what_cannot_be_said_at_all_is_refused_with_its_line(tree: Path, extra: str, said: str) -> None:
    declare(tree, "sweep_holds", extra)
    with pytest.raises(DeclarationError, match=r"^functions/demo/sweep_holds\.py:13: .*" + re.escape(said)):
        registry.jobs()


@pytest.mark.parametrize(
    ("extra", "policy"),
    [
        ("schedule = every(minutes=1)", "none"),
        ("schedule = cron('7 * * * *')", "none"),
        ("schedule = cron('5 4 * * *')", "once"),
        ("schedule = cron('@monthly')", "once"),
        ("schedule = cron('*/5 9-17 * * *')", "once"),
        ("schedule = cron('7 * * * 1-5')", "once"),
        ("schedule = cron('7 * 1 * *')", "once"),
        ("schedule = cron('7 * * 1-11 *')", "once"),
        ("schedule = (cron('5 4 * * *'), every(minutes=15))", "none"),
        ("schedule = cron('5 4 * * *')\ngrace = 600", "none"),
        ("schedule = None", "none"),
        (f"schedule = every(minutes=1)\n{CATCH_UP}", "once"),
    ],
)
def test_a_job_that_could_wait_longer_than_an_hour_catches_up_once(tree: Path, extra: str, policy: str) -> None:
    declare(tree, "sweep_holds", extra)
    job = registry.find("sweep-holds")
    assert job.catches_up() == policy
    assert manifest.of([job])["sweep-holds"]["catch_up"] == policy


def test_a_clash_of_names_says_both_places(tree: Path) -> None:
    declare(tree, "first")
    declare(tree, "second", 'name = "first"')
    with pytest.raises(DeclarationError, match=r"second\.py:8 Sweep: the name 'first' is taken by .*first\.py:8"):
        registry.jobs()


def test_a_clash_of_status_keys_is_refused(tree: Path) -> None:
    declare(tree, "first", 'key = "same"')
    declare(tree, "second", 'key = "same"')
    with pytest.raises(DeclarationError, match="the status key 'same' is taken"):
        registry.jobs()


def test_two_jobs_in_one_module_are_refused(tree: Path) -> None:
    declare(tree, "first")
    with (tree / "first.py").open("a") as file:
        file.write(GOOD.format(name="Other", extra="    name = 'other'"))
    with pytest.raises(DeclarationError, match="one module is one job"):
        registry.jobs()


def test_an_unknown_job_suggests_the_nearest(tree: Path) -> None:
    declare(tree, "pricing")
    with pytest.raises(UnknownJob, match="did you mean 'pricing'"):
        registry.find("pircing")


def test_every_job_of_the_project_is_declared_well() -> None:
    assert registry.jobs()
