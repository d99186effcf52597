"""Declarations of all jobs as data, kept between commands.

Importing all jobs takes two thirds of a second of CPU. Commands that only read use the data, which is made again when a
source file, an installed package or a variable of the environment has changed.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli import output
from cli.exit_codes import CommandError, Exit
from cli.paths import local_folder
from shared.job.declared_job import DeclaredJob

if TYPE_CHECKING:
    from cli.shapes.jobs import ListedJob
    from shared.job.manifest import Entry
    from shared.job.registry import Discovery

FILE = "declarations.json"
# Variables that each shell or session has its own values of, and no declaration reads.
VOLATILE = ("_", "OLDPWD", "PWD", "SHLVL", "COLUMNS", "LINES", "WINDOWID")
VOLATILE_PREFIXES = ("AWS_", "DBUS_", "LC_", "PYTEST_", "SSH_", "TERM", "XDG_")
PACKAGES = ("cli", "shared")


@dataclass(frozen=True, slots=True)
class Declarations:
    """All jobs as the registry declares them in one environment."""

    #: The manifest, by name.
    entries: dict[str, Entry]
    #: Path by which the registry loads each job: `sites/pricing`.
    places: dict[str, str]
    #: Each job as `list --json` prints it, without its next tick.
    listed: dict[str, ListedJob]
    #: By name: attempts of the retry policy, and idempotency strategy.
    facts: dict[str, list[Any]]
    #: Names of settings that lead to services outside.
    external: list[str]
    #: Broken modules, invalid settings and misspelt names.
    reports: list[str]
    #: Files of plugins, with time and size of each; None for a missing one.
    plugin_files: dict[str, list[int] | None]


class DeclarationCache:
    """Switch of the file, off in processes that change declarations."""

    enabled: bool = False


def read() -> Declarations:
    """The declarations of this environment.

    With a cache, those of the environment at the first call.
    """
    return _cached(local_folder()) if DeclarationCache.enabled else _of_registry()


def jobs() -> dict[str, DeclaredJob]:
    """All usable jobs by name, without their code.

    Broken modules and settings are reported on stderr, once.
    """
    found = read()
    report(found.reports)
    return {name: DeclaredJob(name, entry) for name, entry in found.entries.items()}


def require_group(group: str | None) -> None:
    """Raise CommandError for a group that has no job."""
    groups = sorted({job.group for job in jobs().values()})
    if group is not None and group not in groups:
        raise CommandError(Exit.WRONG_USE, f"there is no group {group!r}; the groups are {', '.join(groups)}")


def entries() -> dict[str, Entry]:
    """The manifest of all usable jobs, reported like `jobs`."""
    found = read()
    report(found.reports)
    return found.entries


def name_of(text: str, found: Declarations) -> str:
    """The name of the job with this name or id, or empty."""
    if text in found.entries:
        return text
    return next((name for name, entry in found.entries.items() if entry["id"] == text), "")


def report(lines: Iterable[str]) -> None:
    for line in lines:
        _report(line)


@functools.cache
def _report(line: str) -> None:
    output.notice(line)


@functools.cache
def _cached(folder: Path) -> Declarations:
    key, file = _key(), folder / FILE
    with suppress(OSError, ValueError, TypeError, KeyError):
        stored = json.loads(file.read_bytes())
        if stored["key"] == key:
            found = Declarations(**stored["declarations"])
            if found.plugin_files == _stats(found.plugin_files):
                return found
    made = _of_registry()
    with suppress(OSError):
        _store(file, {"key": key, "declarations": asdict(made)})
    return made


def _store(file: Path, content: Mapping[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    # Readable by the user only: an error of a setting may quote its value.
    unfinished = file.with_suffix(f".{os.getpid()}")
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        json.dump(content, stream)
    unfinished.replace(file)


def _key() -> str:
    """Digest of all that decides the declarations, except for plugins' files."""
    environment = sorted(
        item for item in os.environ.items() if item[0] not in VOLATILE and not item[0].startswith(VOLATILE_PREFIXES)
    )
    import functions

    root = Path(__file__).resolve().parents[1]
    folders = (*(root / name for name in PACKAGES), *map(Path, functions.__path__))
    sources = [each for folder in folders for each in _sources(folder)]
    # A folder of packages changes when one is installed.
    packages = [(path, os.stat(path).st_mtime_ns) for path in sys.path if os.path.isdir(path)]  # noqa: PTH112, PTH116
    text = json.dumps([sys.version, os.getcwd(), environment, sources, packages])  # noqa: PTH109
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def _sources(folder: str | Path) -> Iterator[tuple[str, int, int]]:
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.name.endswith(".py"):
                status = entry.stat()
                yield entry.path, status.st_mtime_ns, status.st_size
            elif entry.name != "__pycache__" and entry.is_dir(follow_symlinks=False):
                yield from _sources(entry.path)


def _stats(files: Iterable[str]) -> dict[str, list[int] | None]:
    found: dict[str, list[int] | None] = {}
    for file in files:
        try:
            status = os.stat(file)  # noqa: PTH116
            found[file] = [status.st_mtime_ns, status.st_size]
        except OSError:
            found[file] = None
    return found


def _of_registry() -> Declarations:
    """Import all jobs."""
    from cli.job_listing import job_data
    from shared.job import manifest, registry

    found = registry.discover()
    jobs = found.jobs
    return Declarations(
        entries=manifest.of(jobs.values()),
        places={name: job.place for name, job in jobs.items()},
        listed={name: job_data(job) for name, job in jobs.items()},
        facts={
            name: [job.retry.attempts, job.idempotency.strategy if job.idempotency else ""]
            for name, job in jobs.items()
        },
        external=sorted({each.name for job in jobs.values() for each in job.all_settings() if each.external}),
        reports=list(_reports(found)),
        plugin_files=_stats(_plugin_files()),
    )


def _reports(found: Discovery) -> Iterator[str]:
    from shared import redaction
    from shared.job import settings_check

    jobs = found.jobs.values()
    for error in found.broken.values():
        yield redaction.text(f"{error}; its jobs are left out")
    for line in settings_check.invalid(jobs, os.environ):
        yield redaction.text(f"{line}; until it is corrected, its job cannot be run here, nor any job deployed")
    yield from settings_check.unknown(jobs, os.environ)


def _plugin_files() -> Iterator[str]:
    from shared.plugins.manifest import discovery

    for manifest in discovery.places():
        yield str(manifest)
        yield from map(str, sorted(manifest.parent.rglob("*.py")))
