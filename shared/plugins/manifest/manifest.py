"""A manifest, `plugin.toml`: read without running a line of the plugin, refused with the reason and the line."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from shared.job.schedule import Schedule, ScheduleError
from shared.job.validation import DeclarationError
from shared.plugins.denied import FsDenied
from shared.plugins.manifest import presets
from shared.plugins.manifest.handler_ref import HANDLER, HandlerError, find
from shared.plugins.manifest.permissions import ALL, SHELL, Permissions, Quotas, combine, normal, within
from shared.plugins.manifest.toml_lines import line_of

PLUGIN = r"(@[a-z0-9]+(-[a-z0-9]+)*/)?[a-z0-9]+(-[a-z0-9]+)*"
JOB = r"[a-z][a-z0-9]*(-[a-z0-9]+)*"
VERSION = r"\d+\.\d+\.\d+([-+][0-9A-Za-z.-]+)?"
HOST = r"(\*\.)?[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*(:\d{1,5})?"
# What the platform lives by is nobody's to ask for.
OURS = ("AWS_", "NIGHTSHIFT_", "LAMBDA_", "INTERNAL_HEALTH", "LD_", "PYTHON")
# Lambda's 900 s, less those in which a run starts and ends.
LONGEST_MS = 880_000
# Lambda's 10,240 MB, less what runs the job.
MOST_MB = 10_000


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Fs(Closed):
    mode: Literal["read", "readWrite"] = "read"
    allow: list[str] = []
    deny: list[str] = []

    @field_validator("allow", "deny")
    @classmethod
    def _bounded(cls, globs: list[str]) -> list[str]:
        for glob in globs:
            if not re.search(r"[^*?/.]", glob):
                raise ValueError(f"{glob!r} is the whole workspace; name what the plugin needs, as in '.kb/<name>/**'")
            try:
                normal(glob.replace("*", "x").replace("?", "x"))
            except FsDenied as error:
                raise ValueError(f"{glob!r} is no glob over the workspace: {error}") from None
            if re.search(r"\*\*[^/]|[^/]\*\*", glob):
                raise ValueError(f"{glob!r}: ** stands for whole parts; put a slash beside it")
        return globs


class Net(Closed):
    allow_hosts: list[str] = Field(default=[], alias="allowHosts")

    @field_validator("allow_hosts")
    @classmethod
    def _named(cls, hosts: list[str]) -> list[str]:
        for host in hosts:
            if not re.fullmatch(HOST, host) or not (host.startswith("localhost") or "." in host.removeprefix("*.")):
                raise ValueError(f"{host!r} is no host; say 'api.example.com', '*.example.com' or 'localhost:6333'")
            if not 1 <= int(host.rpartition(":")[2] if ":" in host else 1) <= 65_535:
                raise ValueError(f"{host!r}: a port is 1 to 65535")
        return hosts


class Env(Closed):
    allow: list[str] = []

    @field_validator("allow")
    @classmethod
    def _named(cls, names: list[str]) -> list[str]:
        for name in names:
            if not re.fullmatch(r"[A-Z][A-Z0-9_]*", name):
                raise ValueError(f"{name!r} is no name of a variable; patterns are not allowed, name each")
            if name.startswith(OURS):
                raise ValueError(f"{name!r} belongs to the platform; call your own variable otherwise")
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
            # In the midst of a denial it would deny less than it says.
            if not line.split() or ALL in line.split()[:-1]:
                raise ValueError(f"{line!r}: {ALL} can only be the last word, and there must be one")
        return lines


class Limited(Closed):
    timeout_ms: int | None = Field(default=None, alias="timeoutMs", ge=1, le=LONGEST_MS)
    memory_mb: int | None = Field(default=None, alias="memoryMb", ge=16, le=MOST_MB)
    cpu_ms: int | None = Field(default=None, alias="cpuMs", ge=1, le=6 * LONGEST_MS)


class Preset(Closed):
    """Exactly one of them."""

    plugin_workspace: str | None = Field(default=None, pattern=rf"^{JOB}$")
    llm_api: list[str] | None = None
    vector_db: str | None = None

    @property
    def permissions(self) -> Permissions:
        """Raises ValueError."""
        said = [name for name in ("plugin_workspace", "llm_api", "vector_db") if getattr(self, name) is not None]
        if len(said) != 1:
            raise ValueError("a preset is one of plugin_workspace, llm_api and vector_db, with its argument")
        made: Permissions = getattr(presets, said[0])(getattr(self, said[0]))
        return made


class Asked(Closed):
    """`[permissions]`: the presets in their order, then what is said in words."""

    presets: list[Preset] = []
    fs: Fs = Fs()
    net: Net = Net()
    env: Env = Env()
    shell: Shell = Shell()
    quotas: Limited = Limited()
    capabilities: list[Literal["shell-exec"]] = []

    @field_validator("presets")
    @classmethod
    def _known(cls, given: list[Preset]) -> list[Preset]:
        for preset in given:
            _ = preset.permissions
        return given

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


class Declared(Closed):
    """One `[[jobs]]`. timeout: milliseconds of wall clock. retries: attempts less one."""

    id: str = Field(pattern=rf"^{JOB}$", max_length=64)
    schedule: str
    describe: str = Field(max_length=512, pattern=r"^[^\x00-\x1f\x7f]+$")
    handler: str = Field(pattern=rf"^{HANDLER}$")
    enabled: bool = True
    priority: int = Field(default=5, ge=1, le=10)
    timeout: int | None = Field(default=None, ge=1, le=LONGEST_MS)
    retries: int = Field(default=2, ge=0, le=6)
    tags: list[Annotated[str, Field(pattern=rf"^{JOB}$")]] = []
    permissions: Asked = Asked()

    @field_validator("schedule")
    @classmethod
    def _fires(cls, text: str) -> str:
        try:
            Schedule(text).eventbridge()
        except ScheduleError as error:
            raise ValueError(str(error)) from None
        return text


class Manifest(Closed):
    """A whole `plugin.toml`. errors: where failures of its jobs are posted."""

    id: str = Field(pattern=rf"^{PLUGIN}$", max_length=100)
    version: str = Field(pattern=rf"^{VERSION}$")
    describe: str = ""
    enabled: bool = True
    errors: str = Field(default="", pattern=r"^(https://[^\s@]+|http://(localhost|127\.0\.0\.1)(:\d+)?/[^\s@]*)?$")
    permissions: Asked = Asked()
    jobs: list[Declared] = Field(min_length=1)

    def permitted(self, job: Declared) -> Permissions:
        """What holds for the job: the plugin's permissions, then its own, then its timeout."""
        return within(combine(self.permissions.permissions, job.permissions.permissions), job.timeout)


def read(path: Path) -> Manifest:
    """The manifest in that file. Raises DeclarationError, which names the line and the reason of every fault."""
    try:
        text = path.read_text(encoding="utf-8")
        given = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise DeclarationError(f"{path}: cannot be read: {error}; see KB_PLUGIN_MANIFESTS") from None
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        raise DeclarationError(f"{path}:{line[1] if line else 1}: is not TOML: {error}") from None
    try:
        made = Manifest.model_validate(given)
    except ValidationError as error:
        faults = [_fault(path, text, one) for one in error.errors()]
        raise DeclarationError("\n".join(faults)) from None
    seen = [job.id for job in made.jobs]
    for number, job in enumerate(made.jobs):
        at = f"{path}:{line_of(text, ('jobs', number, 'handler'))}"
        if job.id in seen[:number]:
            raise DeclarationError(f"{path}:{line_of(text, ('jobs', number, 'id'))}: the job {job.id!r} is there twice")
        if made.permitted(job).shell_allow and SHELL not in made.permitted(job).capabilities:
            raise DeclarationError(f'{at}: {job.id} allows commands; that needs capabilities = ["{SHELL}"]')
        try:
            find(path, job.handler)
        except HandlerError as error:
            raise DeclarationError(f"{at}: {error}") from None
    return made


def _fault(path: Path, text: str, error: Any) -> str:
    place = [part for part in error["loc"] if isinstance(part, str | int)]
    shown = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".") or "it"
    what = {
        "extra_forbidden": "is no field of a manifest; take it out or mend its name",
        "missing": "is missing",
    }.get(error["type"], error["msg"].removeprefix("Value error, "))
    value = error.get("input")
    told = f" (it is {value!r})" if isinstance(value, str | int) and error["type"] == "string_pattern_mismatch" else ""
    return f"{path}:{line_of(text, place)}: {shown}: {what}{told}"
