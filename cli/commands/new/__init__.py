"""Writes a new job's module, its sample event and its test; everything else follows from what it declares."""

from __future__ import annotations

import argparse
import keyword
import re
import uuid
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from string import Template

from cli import output
from cli.commands import heatmap
from cli.commands.new import table
from cli.exit_codes import CommandError, Exit
from cli.paths import ROOT
from shared.advised_commands import advised
from shared.aws.names import LOCAL
from shared.clock import Clock
from shared.job import registry, validation

EXAMPLES = ("new sites robots --archetype probe", "new mail hold-expiry --archetype purge --table holds")
SKELETONS = Path(__file__).parent / "skeletons"
ARCHETYPES = sorted(path.name for path in SKELETONS.iterdir())
GROUP = re.compile(r"[a-z][a-z0-9]{0,19}")
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST_NAME = 40
# Where nobody has said what it is for.
PURPOSES = {
    "probe": "Check that every site has its /{name}.",
    "job": "{words}.",
    "consumer": "Take messages: {words}.",
    "purge": "Delete rows of {rows} that are 30 days old.",
    "forewarning": "Delete rows of {rows} that are 30 days old, telling their owner the day before.",
    "sweep": "Attempt what is due in {rows}.",
    "rollup": "Add up rows of {rows} by owner, day and week.",
    "pipeline": "Do what is asked for in {rows}.",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("group", help="a folder of functions/, which need not be there yet")
    parser.add_argument("job", help="its name, such as forwarding-retry")
    parser.add_argument("--archetype", choices=ARCHETYPES, required=True, help="what kind of job; `job` fits any")
    parser.add_argument("--purpose", help="one sentence: what it is for")
    parser.add_argument("--table", help=f"whose rows it works on, for {', '.join(table.INDEXES)}")
    parser.add_argument("--into", help="for a rollup: the table that its sums go to")


def call(args: argparse.Namespace) -> int:
    _check(args.group, args.job)
    known = table.values(args.archetype, args.table, args.into)
    texts = written(args.group, args.job, args.archetype, args.purpose, known)
    taken = [path for path in texts if (ROOT / path).exists()]
    if taken:
        raise CommandError(Exit.WRONG_USE, f"{taken[0]} is there already; nothing was written")
    for path, text in texts.items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(text)
        print(path)
    output.notice(
        f"Now make it yours: {next(iter(texts))}. What it raises NotImplementedError for, its test fails for. Then:\n"
        f"  {advised(LOCAL, args.job, '--dry-run')}\n  make generate check test"
    )
    return Exit.DONE


def written(
    group: str, name: str, archetype: str, purpose: str | None, known: Mapping[str, str] = {}
) -> dict[Path, str]:
    """The files' texts by their paths in the project, the module first. known: of the table that it works on."""
    module, words = name.replace("-", "_"), name.replace("-", " ")
    values = {
        **known,
        "group": group,
        "name": name,
        "module": module,
        "class_name": class_name(name),
        "purpose": purpose or PURPOSES[archetype].format(name=name, words=words.capitalize(), **known),
        "env": module.upper(),
        "minute": f"{_quiet_minute():02d}",
        "id": str(uuid.uuid4()),
    }
    files = {
        Path("functions", group, f"{module}.py"): _filled(archetype, "job", {**values, "minute": _quiet_minute()}),
        Path("events", group, f"{module}.json"): _filled(archetype, "event", values),
        Path("tests", "functions", group, f"test_{module}.py"): _filled(archetype, "test", values),
    }
    if (SKELETONS / archetype / "letter.txt").exists():
        files[Path("functions", "mail", "letters", f"{module}.txt")] = _filled(archetype, "letter", values)
    package = Path("functions", group, "__init__.py")
    return files if (ROOT / package).exists() else {**files, package: f'"""The jobs of {group}."""\n'}


def class_name(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("-"))


def _check(group: str, name: str) -> None:
    known = registry.jobs()
    if not GROUP.fullmatch(group):
        raise CommandError(
            Exit.WRONG_USE, f"the group {group!r} must be one lower-case word, 20 letters and digits at most"
        )
    if not NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise CommandError(
            Exit.WRONG_USE, f"the name {name!r} must be lower-case words joined by hyphens, {LONGEST_NAME} at most"
        )
    if keyword.iskeyword(name):
        raise CommandError(Exit.WRONG_USE, f"a job may not be named {name!r}: its module could not be imported")
    if name in validation.COMMANDS:
        raise CommandError(Exit.WRONG_USE, f"a job may not be named {name!r}: that is a command of jobs.py")
    if name in known:
        raise CommandError(Exit.WRONG_USE, f"there is a job {name!r} already, in {validation.where(type(known[name]))}")
    if class_name(name).lower() in ARCHETYPES:
        raise CommandError(Exit.WRONG_USE, f"a job may not be named {name!r}: that is an archetype")


def _quiet_minute() -> int:
    """The minute of the hour at which the fewest jobs start."""
    day = Clock().now().replace(hour=0, minute=0, second=0, microsecond=0)
    starts = heatmap.ticks(registry.jobs().values(), day)
    load = Counter[int]()
    for at, names in starts.items():
        load[at.minute] += len(names)
    # Not the full hour, where everybody else's cron fires as well.
    return min(range(1, 60), key=lambda minute: load[minute])


def _filled(archetype: str, part: str, values: Mapping[str, object]) -> str:
    own = SKELETONS / archetype / f"{part}.txt"
    # A tick is a tick, whatever becomes of it.
    text = (own if own.exists() else SKELETONS / "job" / own.name).read_text()
    return f"{Template(text).substitute(values).rstrip()}\n"
