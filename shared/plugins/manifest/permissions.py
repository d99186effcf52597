"""What a plugin's job may touch, as its manifest says. All else is denied, and a deny beats an allow."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Literal

from shared.plugins.denied import EnvDenied, FsDenied, NetDenied, ShellDenied
from shared.plugins.manifest import globs

Mode = Literal["read", "readWrite"]
READ: Mode = "read"
WRITE: Mode = "readWrite"
SHELL = "shell-exec"
ALL = "**"
LONGEST_PATH, LONGEST_PART = 1024, 255


@dataclass(frozen=True, slots=True)
class Quotas:
    """Milliseconds of wall clock and of processor, megabytes of memory. None: not said here."""

    timeout_ms: int | None = None
    memory_mb: int | None = None
    cpu_ms: int | None = None

    def then(self, later: Quotas) -> Quotas:
        """These, with whatever the later ones say in their place."""
        return Quotas(
            self.timeout_ms if later.timeout_ms is None else later.timeout_ms,
            self.memory_mb if later.memory_mb is None else later.memory_mb,
            self.cpu_ms if later.cpu_ms is None else later.cpu_ms,
        )


@dataclass(frozen=True, slots=True)
class Limits:
    """Quotas in which nothing is left open."""

    timeout_ms: int
    memory_mb: int
    cpu_ms: int


# The wall clock is the catalogue's (KB-15); memory and processor are those of its smallest preset.
DEFAULT = Limits(timeout_ms=10_000, memory_mb=512, cpu_ms=30_000)


@dataclass(frozen=True, slots=True)
class Permissions:
    """fs_allow, fs_deny: globs over the workspace. net: hosts, `*.` for all below one, a port where only that is meant.

    env: names. shell_allow, shell_deny: command lines, word by word; `**` at the end stands for any further words.
    """

    fs_mode: Mode = READ
    fs_allow: tuple[str, ...] = ()
    fs_deny: tuple[str, ...] = ()
    net: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    shell_allow: tuple[str, ...] = ()
    shell_deny: tuple[str, ...] = ()
    capabilities: frozenset[str] = frozenset()
    quotas: Quotas = field(default_factory=Quotas)

    @property
    def limits(self) -> Limits:
        quotas = self.quotas
        return Limits(
            quotas.timeout_ms or DEFAULT.timeout_ms,
            quotas.memory_mb or DEFAULT.memory_mb,
            quotas.cpu_ms or DEFAULT.cpu_ms,
        )

    def reads(self, path: object) -> str:
        """The path as the workspace has it. Raises FsDenied."""
        clean = normal(path)
        # A workspace may lie on a disk to which a.KEY and a.key are the same file.
        denied = next((glob for glob in self.fs_deny if globs.matches(glob, clean, any_case=True)), None)
        if denied is not None:
            raise FsDenied(path, f"is denied by {denied}")
        if not any(globs.matches(glob, clean) for glob in self.fs_allow):
            raise FsDenied(path, "is not among the paths that the manifest allows")
        return clean

    def writes(self, path: object) -> str:
        """The same for what is to be written or deleted. Raises FsDenied."""
        clean = self.reads(path)
        if self.fs_mode != WRITE:
            raise FsDenied(path, 'may only be read: the manifest says mode = "read"')
        return clean

    def calls(self, host: str, port: int) -> None:
        """Raises NetDenied."""
        if not any(_same_host(pattern, host.lower().rstrip("."), port) for pattern in self.net):
            raise NetDenied(f"{host}:{port}", "is not among the hosts that the manifest allows")

    def named(self, name: str) -> None:
        """Raises EnvDenied."""
        if name not in self.env:
            raise EnvDenied(name)

    def executes(self, words: tuple[str, ...]) -> None:
        """Raises ShellDenied."""
        if SHELL not in self.capabilities:
            raise ShellDenied(words[:1], f"needs the capability {SHELL}")
        # A lone `**` denies what is not allowed, which is so anyway.
        denied = next((line for line in self.shell_deny if line != ALL and _same_command(line, words)), None)
        if denied is not None:
            raise ShellDenied(words, f"is denied by {denied!r}")
        if not any(_same_command(line, words) for line in self.shell_allow):
            raise ShellDenied(words, "is not among the commands that the manifest allows")


def normal(path: object) -> str:
    """A path of the workspace: relative, slashes between parts, no way up. Raises FsDenied; it never repairs one."""
    if not isinstance(path, str) or not path:
        raise FsDenied(path, "is no path")
    if any(ord(character) < 32 or ord(character) == 127 for character in path):
        raise FsDenied(path, "has control characters in it")
    # A fullwidth or composed look-alike of a dot or slash is a name to some file systems, and a step to others.
    if _steps(unicodedata.normalize("NFKC", path)) != _steps(path) or unicodedata.normalize("NFC", path) != path:
        raise FsDenied(path, "is not in the normal form of Unicode")
    if "\\" in path or path.startswith(("/", "~")) or ":" in path.partition("/")[0]:
        raise FsDenied(path, "is not relative to the workspace")
    parts = path.removeprefix("./").split("/")
    if any(part in ("", ".", "..") or part != part.strip() for part in parts):
        raise FsDenied(path, "leaves the workspace or has an empty part")
    try:
        sizes = [len(part.encode()) for part in parts]
    except UnicodeEncodeError:
        raise FsDenied(path, "is not text") from None
    if max(sizes) > LONGEST_PART or sum(sizes) + len(sizes) > LONGEST_PATH:
        raise FsDenied(path[:80], f"is longer than {LONGEST_PATH} bytes, or a part of it than {LONGEST_PART}")
    return "/".join(parts)


def combine(*given: Permissions) -> Permissions:
    """All that any of them allows, less all that any of them denies. Later quotas win, and the wider mode."""
    combined = Permissions()
    for one in given:
        combined = Permissions(
            fs_mode=WRITE if WRITE in (combined.fs_mode, one.fs_mode) else READ,
            fs_allow=_joined(combined.fs_allow, one.fs_allow),
            fs_deny=_joined(combined.fs_deny, one.fs_deny),
            net=_joined(combined.net, one.net),
            env=_joined(combined.env, one.env),
            shell_allow=_joined(combined.shell_allow, one.shell_allow),
            shell_deny=_joined(combined.shell_deny, one.shell_deny),
            capabilities=combined.capabilities | one.capabilities,
            quotas=combined.quotas.then(one.quotas),
        )
    return combined


def within(given: Permissions, timeout_ms: int | None) -> Permissions:
    """The same, ended after so many milliseconds."""
    return replace(given, quotas=given.quotas.then(Quotas(timeout_ms=timeout_ms)))


def _joined(one: Iterable[str], other: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*one, *other)))


def _steps(path: str) -> str:
    return "".join(character for character in path if character in "./\\~:")


def _same_host(pattern: str, host: str, port: int) -> bool:
    name, _, wanted = pattern.lower().partition(":")
    if wanted and int(wanted) != port:
        return False
    return host.endswith(name[1:]) and len(host) > len(name) - 1 if name.startswith("*.") else host == name


def _same_command(line: str, words: tuple[str, ...]) -> bool:
    wanted = line.split()
    if wanted and wanted[-1] == ALL:
        return len(words) >= len(wanted) - 1 and _same_words(wanted[:-1], words)
    return len(words) == len(wanted) and _same_words(wanted, words)


def _same_words(wanted: list[str], words: tuple[str, ...]) -> bool:
    return all(fnmatchcase(word, pattern) for pattern, word in zip(wanted, words, strict=False))
