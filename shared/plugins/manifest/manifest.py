"""Read a manifest, `plugin.toml`, without running code of the plugin.

Errors name the line and the reason.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from shared.job.cron_field import ScheduleError
from shared.job.schedule import Schedule
from shared.job.validation import DeclarationError
from shared.plugins.denied import FsDenied
from shared.plugins.manifest import presets
from shared.plugins.manifest.handler_ref import HANDLER, HandlerError, find
from shared.plugins.manifest.permissions import ALL, SHELL, Permissions, Quotas, combine, normal, within
from shared.plugins.manifest.toml_lines import Place, nearest, places
from shared.text.untrusted_toml import InvalidToml, read_toml

PLUGIN = r"(@[a-z0-9]+(-[a-z0-9]+)*/)?[a-z0-9]+(-[a-z0-9]+)*"
JOB = r"[a-z][a-z0-9]*(-[a-z0-9]+)*"
VERSION = r"[0-9]+\.[0-9]+\.[0-9]+([-+][0-9A-Za-z.-]+)?"
HOST = r"(\*\.)?[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*(:[0-9]{1,5})?"
# Prefixes of variables that belong to the platform or change how a process runs.
RESERVED = ("AWS_", "NIGHTSHIFT_", "LAMBDA_", "INTERNAL_HEALTH", "LD_", "PYTHON")
# Lambda's 900 s, less the time in which a run starts and ends.
LONGEST_MS = 880_000
# Lambda's 10,240 MB, less the memory of the host.
MAX_MB = 10_000
# Each access to a file is matched against the globs of the plugin and of the job.
MAX_GLOBS = 64
# Faults that one error names.
NAMED = 20


class Closed(BaseModel):
    """A table of the manifest; unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Fs(Closed):
    mode: Literal["read", "readWrite"] = "read"
    allow: list[str] = Field(default=[], max_length=MAX_GLOBS)
    deny: list[str] = Field(default=[], max_length=MAX_GLOBS)

    @field_validator("allow", "deny")
    @classmethod
    def _bounded(cls, globs: list[str]) -> list[str]:
        for glob in globs:
            if not re.search(r"[^*?/.]", glob):
                raise ValueError(
                    f"{glob!r} is the whole workspace; name the files that the plugin needs, as in '.kb/<name>/**'"
                )
            try:
                normal(glob.replace("*", "x").replace("?", "x"))
            except FsDenied as error:
                raise ValueError(f"{glob!r} is not a valid glob of the workspace: {error}") from None
            if re.search(r"\*\*[^/]|[^/]\*\*", glob):
                raise ValueError(f"{glob!r}: ** matches whole parts of a path; separate it by slashes")
        return globs


class Net(Closed):
    allow_hosts: list[str] = Field(default=[], alias="allowHosts")

    @field_validator("allow_hosts")
    @classmethod
    def _named(cls, hosts: list[str]) -> list[str]:
        for host in hosts:
            if not re.fullmatch(HOST, host) or not (host.startswith("localhost") or "." in host.removeprefix("*.")):
                raise ValueError(
                    f"{host!r} is not a host; use a form such as 'api.example.com', '*.example.com' or 'localhost:6333'"
                )
            if not 1 <= int(host.rpartition(":")[2] if ":" in host else 1) <= 65_535:
                raise ValueError(f"{host!r}: a port must be from 1 to 65535")
        return hosts


class Env(Closed):
    allow: list[str] = []

    @field_validator("allow")
    @classmethod
    def _named(cls, names: list[str]) -> list[str]:
        for name in names:
            if not re.fullmatch(r"[A-Z][A-Z0-9_]*", name):
                raise ValueError(
                    f"{name!r} is not the name of a variable; patterns are not allowed, name each variable"
                )
            if name.startswith(RESERVED):
                raise ValueError(f"{name!r} belongs to the platform; rename your variable")
        return names


class Shell(Closed):
    allow: list[str] = []
    deny: list[str] = []

    @field_validator("allow")
    @classmethod
    def _named(cls, lines: list[str]) -> list[str]:
        for line in lines:
            program = (line.split() or [""])[0]
            if not re.fullmatch(r"/?[A-Za-z0-9._+-]+(/[A-Za-z0-9._+-]+)*", program) or ".." in program:
                raise ValueError(f"{line!r}: the first word must be a program by its name, as in 'git status'")
        return lines

    @field_validator("allow", "deny")
    @classmethod
    def _worded(cls, lines: list[str]) -> list[str]:
        for line in lines:
            # In the middle of a command line, `**` would match a single word.
            if not line.split() or ALL in line.split()[:-1]:
                raise ValueError(f"{line!r}: a command line must have a word, and {ALL} may only be the last one")
        return lines


class QuotasTable(Closed):
    timeout_ms: int | None = Field(default=None, alias="timeoutMs", ge=1, le=LONGEST_MS)
    memory_mb: int | None = Field(default=None, alias="memoryMb", ge=16, le=MAX_MB)
    cpu_ms: int | None = Field(default=None, alias="cpuMs", ge=1, le=6 * LONGEST_MS)


class Preset(Closed):
    """One preset with its argument; exactly one of the fields is set."""

    plugin_workspace: str | None = Field(default=None, pattern=rf"^{JOB}$")
    llm_api: list[str] | None = None
    vector_db: str | None = None

    @property
    def permissions(self) -> Permissions:
        """The permissions of the preset. Raises ValueError."""
        names = [name for name in ("plugin_workspace", "llm_api", "vector_db") if getattr(self, name) is not None]
        if len(names) != 1:
            raise ValueError("a preset is one of plugin_workspace, llm_api and vector_db, with its argument")
        permissions: Permissions = getattr(presets, names[0])(getattr(self, names[0]))
        return permissions


class PermissionsTable(Closed):
    """`[permissions]`: the presets in their order, combined with the other fields."""

    presets: list[Preset] = []
    fs: Fs = Fs()
    net: Net = Net()
    env: Env = Env()
    shell: Shell = Shell()
    quotas: QuotasTable = QuotasTable()
    capabilities: list[Literal["shell-exec"]] = []

    @field_validator("presets")
    @classmethod
    def _valid(cls, listed: list[Preset]) -> list[Preset]:
        for preset in listed:
            _ = preset.permissions
        return listed

    @property
    def permissions(self) -> Permissions:
        quotas = self.quotas
        own = Permissions(
            self.fs.mode,
            tuple(self.fs.allow),
            tuple(self.fs.deny),
            tuple(self.net.allow_hosts),
            tuple(self.env.allow),
            tuple(self.shell.allow),
            tuple(self.shell.deny),
            frozenset(self.capabilities),
            Quotas(quotas.timeout_ms, quotas.memory_mb, quotas.cpu_ms),
        )
        return combine(*(preset.permissions for preset in self.presets), own)


class JobDeclaration(Closed):
    """One `[[jobs]]` entry."""

    id: str = Field(pattern=rf"^{JOB}$", max_length=64)
    schedule: str
    describe: str = Field(max_length=512, pattern=r"^[^\x00-\x1f\x7f]+$")
    handler: str = Field(pattern=rf"^{HANDLER}$")
    enabled: bool = True
    priority: int = Field(default=5, ge=1, le=10)
    #: Milliseconds of wall clock.
    timeout: int | None = Field(default=None, ge=1, le=LONGEST_MS)
    #: Attempts after the first one.
    retries: int = Field(default=2, ge=0, le=6)
    tags: list[Annotated[str, Field(pattern=rf"^{JOB}$")]] = []
    permissions: PermissionsTable = PermissionsTable()

    @field_validator("schedule")
    @classmethod
    def _fires(cls, text: str) -> str:
        try:
            Schedule(text).eventbridge()
        except ScheduleError as error:
            raise ValueError(str(error)) from None
        return text


class Manifest(Closed):
    """A whole `plugin.toml`."""

    id: str = Field(pattern=rf"^{PLUGIN}$", max_length=100)
    version: str = Field(pattern=rf"^{VERSION}$")
    describe: str = ""
    enabled: bool = True
    #: URL that failures of its jobs are posted to.
    errors: str = Field(default="", pattern=r"^(https://[^\s@]+|http://(localhost|127\.0\.0\.1)(:[0-9]+)?/[^\s@]*)?$")
    permissions: PermissionsTable = PermissionsTable()
    jobs: list[JobDeclaration] = Field(min_length=1)

    def permitted(self, job: JobDeclaration) -> Permissions:
        """The permissions of a job.

        Those of the plugin combined with its own, and its timeout.
        """
        return within(combine(self.permissions.permissions, job.permissions.permissions), job.timeout)


def read(path: Path) -> Manifest:
    """Read and validate a manifest.

    Raises DeclarationError, which names line and reason of every fault.
    """
    try:
        text, data = read_toml(path)
    except OSError as error:
        raise DeclarationError(f"{path}: cannot be read: {error}; see KB_PLUGIN_MANIFESTS") from None
    except InvalidToml as error:
        raise DeclarationError(f"{path}:{error.line}: {error}") from None
    lines = places(text)
    try:
        manifest = Manifest.model_validate(data)
    except ValidationError as error:
        faults = [_fault(path, lines, one) for one in error.errors()[:NAMED]]
        raise DeclarationError("\n".join(faults)) from None
    ids = [job.id for job in manifest.jobs]
    for number, job in enumerate(manifest.jobs):
        at = f"{path}:{nearest(lines, ('jobs', number, 'handler'))}"
        if job.id in ids[:number]:
            raise DeclarationError(f"{path}:{nearest(lines, ('jobs', number, 'id'))}: there are two jobs {job.id!r}")
        if manifest.permitted(job).shell_allow and SHELL not in manifest.permitted(job).capabilities:
            raise DeclarationError(f'{at}: {job.id} allows commands, which needs capabilities = ["{SHELL}"]')
        try:
            find(path, job.handler)
        except HandlerError as error:
            raise DeclarationError(f"{at}: {error}") from None
    return manifest


def _fault(path: Path, lines: Mapping[Place, int], error: Any) -> str:
    place = [part for part in error["loc"] if isinstance(part, str | int)]
    shown = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".") or "it"
    what = {
        "extra_forbidden": "is not a field of a manifest; remove it or correct its name",
        "missing": "is missing",
    }.get(error["type"], error["msg"].removeprefix("Value error, "))
    value = error.get("input")
    shown_value = (
        f" (it is {value!r})" if isinstance(value, str | int) and error["type"] == "string_pattern_mismatch" else ""
    )
    return f"{path}:{nearest(lines, place)}: {shown}: {what}{shown_value}"
