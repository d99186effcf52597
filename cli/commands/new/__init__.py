"""Generate a new job from the skeleton of an archetype.

Its module, sample event and test are written.
"""

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
# First line of the docstring, by archetype, if no --purpose is given.
PURPOSES = {
    "probe": "Check that every site serves /{name}.",
    "job": "{words}.",
    "consumer": "Process messages: {words}.",
    "purge": "Delete rows of {rows} that are 30 days old.",
    "warned-purge": "Delete rows of {rows} that are 30 days old, and warn their owner the day before.",
    "sweep": "Attempt the due rows of {rows}.",
    "rollup": "Add up rows of {rows} by owner, day and week.",
    "pipeline": "Process the due requests of {rows}.",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("group", help="folder of functions/, created if it does not exist")
    parser.add_argument("job", help="name of the job, such as forwarding-retry")
    parser.add_argument("--archetype", choices=ARCHETYPES, required=True, help="archetype; `job` for any other job")
    parser.add_argument("--purpose", help="purpose of the job, in one sentence (default: one for the archetype)")
    parser.add_argument(
        "--table", help=f"table whose rows it processes, for {', '.join(table.INDEXES)} (default: none)"
    )
    parser.add_argument("--into", help="table of the sums, for a rollup (default: none)")


def call(args: argparse.Namespace) -> int:
    _check(args.group, args.job)
    values = table.values(args.archetype, args.table, args.into)
    texts = files(args.group, args.job, args.archetype, args.purpose, values)
    existing = [path for path in texts if (ROOT / path).exists()]
    if existing:
        raise CommandError(Exit.WRONG_USE, f"{existing[0]} exists already; nothing was written")
    for path, text in texts.items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(text)
        print(path)
    output.notice(
        f"Next, complete {next(iter(texts))}{_open_parts(texts)}. Then:\n"
        f"  {first_look(args.archetype, args.job)}\n  make generate check test"
    )
    return Exit.DONE


def _open_parts(texts: Mapping[Path, str]) -> str:
    """Remark on unfinished parts of the generated files; empty without one."""
    is_open = any("NotImplementedError" in text for text in texts.values())
    return ": its test fails until no NotImplementedError is left" if is_open else ""


def first_look(archetype: str, name: str) -> str:
    """The command that shows what a new job does."""
    return advised(LOCAL, "test", name) if archetype == "consumer" else advised(LOCAL, name, "--dry-run")


def files(
    group: str, name: str, archetype: str, purpose: str | None, table_values: Mapping[str, str] = {}
) -> dict[Path, str]:
    """Texts of the new files by path, the module first.

    Paths are relative to the project.
    """
    module, words = name.replace("-", "_"), name.replace("-", " ")
    values = {
        **table_values,
        "group": group,
        "name": name,
        "module": module,
        "class_name": class_name(name),
        "purpose": purpose or PURPOSES[archetype].format(name=name, words=words.capitalize(), **table_values),
        "env": module.upper(),
        "minute": f"{_quiet_minute():02d}",
        "id": str(uuid.uuid4()),
    }
    texts = {
        Path("functions", group, f"{module}.py"): _filled(archetype, "job", {**values, "minute": _quiet_minute()}),
        Path("events", group, f"{module}.json"): _filled(archetype, "event", values),
        Path("tests", "functions", group, f"test_{module}.py"): _filled(archetype, "test", values),
    }
    if (SKELETONS / archetype / "template.txt").exists():
        texts[Path("functions", "mail", "templates", f"{module}.txt")] = _filled(archetype, "template", values)
    package = Path("functions", group, "__init__.py")
    return texts if (ROOT / package).exists() else {**texts, package: f'"""Jobs of the group {group}."""\n'}


def class_name(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("-"))


def _check(group: str, name: str) -> None:
    jobs = registry.jobs()
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
    if name in registry.NO_JOBS:
        raise CommandError(Exit.WRONG_USE, f"a job may not be named {name!r}: such a module of a group has no job")
    if name in jobs:
        raise CommandError(Exit.WRONG_USE, f"there is a job {name!r} already, in {validation.where(type(jobs[name]))}")
    if class_name(name).lower() in ARCHETYPES:
        raise CommandError(Exit.WRONG_USE, f"a job may not be named {name!r}: that is an archetype")


def _quiet_minute() -> int:
    """Minute of the hour at which the fewest jobs start."""
    day = Clock().now().replace(hour=0, minute=0, second=0, microsecond=0)
    starts = heatmap.ticks(registry.jobs().values(), day)
    load = Counter[int]()
    for at, names in starts.items():
        load[at.minute] += len(names)
    # Not the full hour, when most other crons fire.
    return min(range(1, 60), key=lambda minute: load[minute])


def _filled(archetype: str, part: str, values: Mapping[str, object]) -> str:
    own = SKELETONS / archetype / f"{part}.txt"
    # The sample event of a tick is the same for most archetypes.
    text = (own if own.exists() else SKELETONS / "job" / own.name).read_text()
    return f"{Template(text).substitute(values).rstrip()}\n"
