"""Permissions of a plugin's job, from its manifest.

Everything else is denied; a deny overrides an allow.
"""

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
TOO_LONG = f"is longer than {LONGEST_PATH} bytes, or has a part longer than {LONGEST_PART}"


@dataclass(frozen=True, slots=True)
class Quotas:
    """Limits of wall clock (ms), CPU time (ms) and memory (MB).

    None leaves one undefined.
    """

    timeout_ms: int | None = None
    memory_mb: int | None = None
    cpu_ms: int | None = None

    def then(self, later: Quotas) -> Quotas:
        """These quotas, overridden by the later ones where those are defined."""
        return Quotas(
            self.timeout_ms if later.timeout_ms is None else later.timeout_ms,
            self.memory_mb if later.memory_mb is None else later.memory_mb,
            self.cpu_ms if later.cpu_ms is None else later.cpu_ms,
        )


@dataclass(frozen=True, slots=True)
class Limits:
    """Quotas that are all defined."""

    timeout_ms: int
    memory_mb: int
    cpu_ms: int


# Memory and CPU time are those of the smallest preset.
DEFAULT = Limits(timeout_ms=10_000, memory_mb=512, cpu_ms=30_000)


@dataclass(frozen=True, slots=True)
class Permissions:
    """The permissions of one job."""

    fs_mode: Mode = READ
    #: Globs of the workspace.
    fs_allow: tuple[str, ...] = ()
    fs_deny: tuple[str, ...] = ()
    #: Hosts; `*.` matches all subdomains, and a port limits an entry to that port.
    net: tuple[str, ...] = ()
    #: Names of variables.
    env: tuple[str, ...] = ()
    #: Command lines, matched word by word; `**` at the end matches any further words.
    shell_allow: tuple[str, ...] = ()
    shell_deny: tuple[str, ...] = ()
    capabilities: frozenset[str] = frozenset()
    quotas: Quotas = field(default_factory=Quotas)

    @property
    def limits(self) -> Limits:
        """The quotas, with defaults for undefined ones."""
        quotas = self.quotas
        return Limits(
            quotas.timeout_ms or DEFAULT.timeout_ms,
            quotas.memory_mb or DEFAULT.memory_mb,
            quotas.cpu_ms or DEFAULT.cpu_ms,
        )

    def reads(self, path: object) -> str:
        """The normalized path, if it may be read. Raises FsDenied."""
        clean = normal(path)
        # On some disks a.KEY and a.key are the same file.
        denied = next((glob for glob in self.fs_deny if globs.matches(glob, clean, any_case=True)), None)
        if denied is not None:
            raise FsDenied(path, f"is denied by {denied}")
        if not any(globs.matches(glob, clean) for glob in self.fs_allow):
            raise FsDenied(path, "is not a path that the manifest allows")
        return clean

    def writes(self, path: object) -> str:
        """The normalized path, if it may be written and deleted. Raises FsDenied."""
        clean = self.reads(path)
        if self.fs_mode != WRITE:
            raise FsDenied(path, 'may only be read: the manifest has mode = "read"')
        return clean

    def calls(self, host: str, port: int) -> None:
        """Check a request to a host. Raises NetDenied."""
        if not any(_same_host(pattern, host.lower().rstrip("."), port) for pattern in self.net):
            raise NetDenied(f"{host}:{port}", "is not a host that the manifest allows")

    def named(self, name: str) -> None:
        """Check a variable. Raises EnvDenied."""
        if name not in self.env:
            raise EnvDenied(name)

    def executes(self, words: tuple[str, ...]) -> None:
        """Check a command line. Raises ShellDenied."""
        if SHELL not in self.capabilities:
            raise ShellDenied(words[:1], f"needs the capability {SHELL}")
        # A single `**` denies everything that is not allowed, which is the default.
        denied = next((line for line in self.shell_deny if line != ALL and _same_command(line, words)), None)
        if denied is not None:
            raise ShellDenied(words, f"is denied by {denied!r}")
        if not any(_same_command(line, words) for line in self.shell_allow):
            raise ShellDenied(words, "is not a command that the manifest allows")


def normal(path: object) -> str:
    """Validate a relative path with slashes and without `..`.

    Raises FsDenied; it never repairs a path.
    """
    if not isinstance(path, str) or not path:
        raise FsDenied(path, "is not a path")
    if len(path) > LONGEST_PATH:
        # Before the normalization of Unicode, whose time can grow with the square of the length.
        raise FsDenied(path[:80], TOO_LONG)
    if any(ord(character) < 32 or ord(character) == 127 for character in path):
        raise FsDenied(path, "contains control characters")
    # Some file systems normalize Unicode look-alikes of a dot or slash to the character itself.
    if (
        _separators(unicodedata.normalize("NFKC", path)) != _separators(path)
        or unicodedata.normalize("NFC", path) != path
    ):
        raise FsDenied(path, "is not in Unicode normal form")
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
        raise FsDenied(path[:80], TOO_LONG)
    return "/".join(parts)


def combine(*parts: Permissions) -> Permissions:
    """The union of all allows and denies, with the later quotas."""
    combined = Permissions()
    for one in parts:
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


def within(permissions: Permissions, timeout_ms: int | None) -> Permissions:
    """The same permissions with a timeout, if it is not None."""
    return replace(permissions, quotas=permissions.quotas.then(Quotas(timeout_ms=timeout_ms)))


def _joined(one: Iterable[str], other: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*one, *other)))


def _separators(path: str) -> str:
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
