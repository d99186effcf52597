"""Commands that read declarations only, without a cloud."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from argparse import SUPPRESS, ArgumentParser, _SubParsersAction
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim

from cli.commands import COMMANDS, crontab, heatmap
from cli.exit_codes import CommandError
from cli.generate import env_template, main
from cli.main import command
from shared.job import registry, validation
from shared.job.schedule import Schedule
from tests.cli.conftest import HEAD, Call

ROOT = Path(__file__).parents[2]
# Created before a fixture replaces functions/, which some commands import.
PARSERS = {name: command(name)[1] for name in (*COMMANDS, "pricing")}
FIELDS = {"name", "group", "schedule", "next", "queue", "retry", "timeout_s", "memory_mb", "guarantee"}


def test_list_has_every_field_of_the_contract(call: Call, jobs: Path) -> None:
    answer = call("list", "--json")
    listed = {job["name"]: job for job in answer.json}
    assert answer.code == 0
    assert list(listed) == ["bad", "costly", "good", "mailbox", "sharded"]
    assert all(set(job) >= FIELDS for job in listed.values())
    good = listed["good"]
    assert (good["group"], good["schedule"], good["queue"]) == ("demo", "*/15 * * * *", None)
    assert (good["timeout_s"], good["memory_mb"], good["retry"]) == (300, 256, "exponential 2s, 4 attempts")
    assert good["guarantee"] == "natural: counting again counts the same"
    assert datetime.now(UTC) < datetime.fromisoformat(good["next"]) <= datetime.now(UTC) + timedelta(minutes=15)
    assert listed["mailbox"]["next"] is None
    assert listed["mailbox"]["queue"] == "demo:letters"


def test_the_list_fits_into_120_columns(call: Call, jobs: Path) -> None:
    lines = call("list").out.splitlines()
    assert lines[0].split()[0] == "job"
    assert [line.split()[0] for line in lines[1:]] == ["bad", "costly", "good", "mailbox", "sharded"]
    assert max(map(len, lines)) <= 120


def test_a_narrow_list_folds_and_loses_nothing(call: Call, jobs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    out = call("list").out
    assert max(map(len, out.splitlines())) <= 60
    assert [line.split()[0] for line in out.splitlines()[1:]] == ["bad", "costly", "good", "mailbox", "sharded"]
    assert "…" not in out


def test_a_group_can_be_listed_alone(call: Call, jobs: Path) -> None:
    assert call("list", "elsewhere", "--json").json["code"] == 2
    assert len(call("list", "demo", "--json").json) == 5


def test_every_command_has_its_module_and_no_job_may_take_its_name() -> None:
    assert set(COMMANDS) <= validation.COMMANDS
    for name in COMMANDS:
        module = ROOT / "cli" / "commands" / name
        text = (module / "__init__.py" if module.is_dir() else module.with_suffix(".py")).read_text()
        assert "EXAMPLES = (" in text
        assert "def arguments(parser: argparse.ArgumentParser)" in text
        assert "args: argparse.Namespace) -> int" in text


def test_every_module_of_commands_is_a_command() -> None:
    modules = {path.stem for path in (ROOT / "cli" / "commands").iterdir() if path.stem.isalpha()}
    assert modules == {*COMMANDS, "run"}


@pytest.mark.parametrize("name", PARSERS)
def test_every_command_has_an_example_and_every_option_with_a_value_its_default(name: str) -> None:
    parser = PARSERS[name]
    assert parser.examples
    for part in _parsers(parser):
        for action in part._actions:
            if not isinstance(action, _SubParsersAction):
                assert action.help, action.dest
                assert "(default: " in action.help or action.default in (None, False, "", SUPPRESS), action.dest


def _parsers(parser: ArgumentParser) -> Iterator[ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, _SubParsersAction):
            yield from action.choices.values()


@pytest.mark.parametrize("word", ["--help", "-h", "help"])
def test_help_lists_every_command(word: str, call: Call) -> None:
    answer = call(word)
    assert answer.code == 0
    assert set(COMMANDS) <= set(answer.out.split())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, call: Call) -> None:
    answer = call(command, "--help")
    assert answer.code == 0
    assert answer.out.startswith(f"usage: python jobs.py {command}")


def test_the_crontab_is_the_registry(jobs: Path) -> None:
    known = registry.jobs()
    zone, planned = "", set[tuple[str, str, str]]()
    for line in crontab.lines(known.values()):
        if line.startswith("CRON_TZ="):
            zone = line.removeprefix("CRON_TZ=")
        elif line and not line.startswith("#"):
            fields, _, command = line.partition(" cd ")
            name = command.partition("jobs.py ")[2].split()[0]
            planned.add((name, fields, zone))
            next(CronSim(fields, datetime.now(ZoneInfo(zone))))
    declared = {(job.name, schedule.unix, schedule.zone) for job in known.values() for schedule in job.schedules()}
    assert planned == declared


def test_crontab_ticks_are_the_declared_ones_at_a_daylight_saving_change(jobs: Path) -> None:
    costly = registry.find("costly")
    (schedule,) = costly.schedules()
    start = datetime(2026, 3, 28, tzinfo=UTC)
    fields = crontab.line(schedule, costly).partition(" cd ")[0]
    by_cron = [tick.astimezone(UTC) for tick in islice(CronSim(fields, start.astimezone(ZoneInfo("Europe/Vienna"))), 3)]
    assert by_cron == list(islice(schedule.after(start), 3))


def test_a_crontab_line_is_read_by_cron_as_it_was_meant(jobs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crontab, "ROOT", Path("/srv/100%/it's %d"))
    line = crontab.line(Schedule("0 6 * * sat-sun"), registry.find("good"))
    assert line.startswith("0 6 * * 0,6 cd ")
    # cron ends the command at a percent sign without a backslash, and removes the backslash of the others.
    assert not re.search(r"(?<!\\)%", line)
    assert "/srv/100%/it's %d" in shlex.split(line.replace(r"\%", "%"))
    monkeypatch.setattr(crontab, "ROOT", Path("/srv/two\nlines"))
    with pytest.raises(CommandError, match="has no line feeds"):
        crontab.line(Schedule("@daily"), registry.find("good"))


def test_every_crontab_line_has_its_purpose_and_no_percent_sign(jobs: Path) -> None:
    lines = list(crontab.lines(registry.jobs().values(), ["--aws", "--stage", "prod"]))
    for number, line in enumerate(lines):
        if line and not line.startswith(("#", "CRON_TZ")):
            assert lines[number - 1].startswith("# ")
            assert "%" not in line
            assert "--at now --log json --aws --stage prod" in line
    assert "# good (300 s): Count to three." in lines


def test_the_env_template_has_every_setting_once_with_its_default(jobs: Path) -> None:
    lines = list(env_template.lines(registry.jobs().values()))
    for job in registry.jobs().values():
        for setting in job.all_settings():
            assert lines.count(f"#{setting.name}={env_template.shown(setting.default)}") == 1
    assert "# How far one step goes." in lines
    assert lines[lines.index("# How far one step goes.") + 1] == "#GOOD_STEP=1"


def test_an_uncommented_env_template_reads_as_the_defaults(jobs: Path, tmp_path: Path) -> None:
    from dotenv import dotenv_values

    text = "\n".join(re.sub(r"^#(?=[A-Z])", "", line) for line in env_template.lines(registry.jobs().values()))
    (tmp_path / ".env").write_text(text)
    values = {name: value for name, value in dotenv_values(tmp_path / ".env").items() if value is not None}
    for job in registry.jobs().values():
        for setting in job.all_settings():
            assert setting.read(values) == setting.read({})


def test_a_setting_changes_list_crontab_and_heatmap_but_no_generated_file(
    call: Call, jobs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = main.generated(registry.jobs({}).values())
    monkeypatch.setenv("GOOD_SCHEDULE", "11 4 * * *")
    monkeypatch.setenv("BAD_SCHEDULE", "off")
    monkeypatch.setenv("SHARDED_RETRY", "linear 3s, 3 attempts")
    listed = {job["name"]: job for job in call("list", "--json").json}
    assert (listed["good"]["schedule"], listed["bad"]["schedule"], listed["bad"]["next"]) == ("11 4 * * *", None, None)
    assert listed["sharded"]["retry"] == "linear 3s, 3 attempts"
    planned = [line for line in call("crontab").out.splitlines() if "jobs.py" in line and not line.startswith("#")]
    assert [line.partition(" cd ")[0] for line in planned] == ["11 4 * * *", "30 4 * * 1-5", "10 3 * * *"]
    minutes = call("heatmap", "--day", "2026-11-20", "--json").json["minutes"]
    assert [minute for minute, names in minutes.items() if "good" in names] == ["04:11"]
    assert not [names for names in minutes.values() if "bad" in names]
    assert "#GOOD_SCHEDULE='*/15 * * * *'" in call("env").out.splitlines()
    assert main.generated(registry.jobs({}).values()) == before


@pytest.mark.parametrize("command", ["crontab", "heatmap"])
def test_a_setting_that_cannot_be_read_is_wrong_use_and_names_itself(
    command: str, call: Call, jobs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOD_SCHEDULE", "rate(5 minutes)")
    answer = call(command)
    assert (answer.code, answer.out) == (2, "")
    assert "GOOD_SCHEDULE='rate(5 minutes)': " in answer.err
    assert "write five cron fields" in answer.err


def test_the_heatmap_has_every_tick_of_the_day(call: Call, jobs: Path) -> None:
    minutes = call("heatmap", "--day", "2026-11-20", "--json").json["minutes"]
    assert sum(names.count("good") for names in minutes.values()) == 96
    assert sum(names.count("bad") for names in minutes.values()) == 24
    # A Friday; 03:10 in Vienna is 02:10 in UTC.
    assert minutes["04:30"] == ["good", "sharded"]
    assert minutes["02:10"] == ["costly"]


def test_a_heatmap_of_an_invalid_date_is_refused(call: Call, jobs: Path) -> None:
    answer = call("heatmap", "--day", "someday")
    assert (answer.code, answer.out) == (2, "")
    assert "someday" in answer.err


CROWD = '''
class Crowd{number}(Job):
    """One of many."""
    name = "crowd-{number}"
    schedule = cron("0 0 1 * *")
    idempotency = natural("it works on nothing")
    def work(self, tick):
        return Done()
'''


@pytest.mark.parametrize(("count", "code"), [(4, 0), (5, 1)])
def test_a_check_fails_where_more_than_five_jobs_share_a_minute_of_the_month(
    call: Call, jobs: Path, count: int, code: int
) -> None:
    # `good` starts in that minute too.
    for number in range(count):
        (jobs / "demo" / f"crowd_{number}.py").write_text(HEAD + CROWD.format(number=number))
    answer = call("heatmap", "--check", "--json", "--day", "2026-11-20")
    assert answer.code == code
    assert list(answer.json["crowded"]) == ["00:00"] * code
    assert ("6 jobs start at 00:00 UTC, and 5 may: crowd-0" in answer.err) == bool(code)


def test_the_busiest_minute_is_printed(jobs: Path) -> None:
    day = datetime(2026, 11, 20, tzinfo=UTC)
    lines = heatmap.draw(heatmap.ticks(registry.jobs().values(), day), day)
    assert "04:30  2: good, sharded" in lines


def test_generated_files_are_current_after_writing_and_stale_after_a_change(jobs: Path, tmp_path: Path) -> None:
    wanted = main.generated(registry.jobs().values())
    assert set(main.differences(tmp_path, wanted)) == set(wanted)
    for path, text in wanted.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    assert main.differences(tmp_path, wanted) == {}
    page = Path("docs/reference/jobs.md")
    (tmp_path / page).write_text("by hand")
    assert main.differences(tmp_path, wanted) == {page: wanted[page]}


def test_a_job_is_described_with_guarantee_retry_permissions_settings_and_runbook(call: Call, jobs: Path) -> None:
    described = " ".join(call("describe", "good").out.split())
    parts = ["Count to three.", "*/15 * * * *", "(natural): counting again counts the same"]
    parts += ["exponential 2s, 4 attempts", "1 day, at most 1,000; failed runs 7 days, at most 5,000"]
    parts += ["runs#good#*", "GOOD_STEP 1 How far one step goes", "python jobs.py runs good"]
    assert [text for text in parts if text not in described] == []


def test_a_description_as_data_has_what_the_text_has(call: Call, jobs: Path) -> None:
    described = call("describe", "mailbox", "--json").json
    assert described["facts"]["fires (UTC)"] == "queue demo:letters"
    assert "at least once" in described["guarantee"][0]
    assert {"resource": "bucket/dead/mailbox/large/*", "keys": [], "actions": ["s3:PutObject"]} in described[
        "permissions"
    ]
    assert {"name": "MAILBOX_ENABLE", "default": "true"}.items() <= described["settings"][0].items()
    assert {"command": "python jobs.py test mailbox", "for": "run it on its sample event"} in described["commands"]


def test_the_reference_has_a_line_for_each_job_and_a_section_for_each_command(jobs: Path) -> None:
    pages = main.generated(registry.jobs().values())
    line = "| `good` | demo | `*/15 * * * *` | Count to three. | once per tick, natural |"
    assert line in pages[Path("docs/reference/jobs.md")].splitlines()
    assert "| `GOOD_STEP` | `1` | How far one step goes |" in pages[Path("docs/reference/settings.md")]
    commands = re.findall(r"^## (\S+)$", pages[Path("docs/reference/command-line.md")], re.MULTILINE)
    assert commands == ["JOB", *COMMANDS]
    assert "| `--limit N` | how many (default: 20) |" in pages[Path("docs/reference/command-line.md")]


def test_a_python_without_the_packages_prints_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "jobs.py").write_text((ROOT / "jobs.py").read_text())
    command = [sys.executable, "-I", "-S", str(tmp_path / "jobs.py"), "list"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "`make setup` builds .venv" in done.stderr
    # After the set-up, the Python of .venv takes over.
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to("/bin/echo")
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[1:] == ["list"]


def test_the_entry_point_prints_json_and_nothing_else() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "jobs.py", "list", "--json"], capture_output=True, text=True, check=True, cwd="/"
    )
    assert {job["name"] for job in json.loads(done.stdout)} == set(registry.jobs())
    assert done.stderr == ""
