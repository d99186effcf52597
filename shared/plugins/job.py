"""Jobs of plugins.

Claimed, retried, dead-lettered and recorded like any job; their work runs in a sandbox.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from shared import clock
from shared.aws.permissions import Grant
from shared.job import retry, settings
from shared.job.definition import FINISH_SECONDS, Job
from shared.job.idempotency import natural
from shared.job.outcome import Done, Outcome, Reason, Skipped
from shared.job.schedule import Schedule
from shared.job.validation import DeclarationError
from shared.plugins.host import cpu_quota, workspaces
from shared.plugins.manifest.discovery import DISABLED, MANIFESTS, Plugin
from shared.plugins.manifest.iam import grants_of
from shared.plugins.manifest.permissions import Permissions
from shared.plugins.manifest.toml_lines import nearest, places
from shared.run.context import RunContext
from shared.text.untrusted_toml import read_toml

if TYPE_CHECKING:
    from shared.plugins.host.sandbox import Order
    from shared.plugins.manifest.manifest import JobDeclaration

WORKSPACE = settings.text("KB_WORKSPACE", "", "Folder of the plugins' workspace (default: the deployment's bucket)")
DEBUG = settings.flag(
    "KB_JOBS_DEBUG", False, "Whether plugins run in the process of their host, so that breakpoints work"
)
# Seconds of a run besides the plugin's own: starting its process, and the writes of the host.
OVERHEAD_SECONDS = 5
# MB besides the plugin's own: the host and the bare interpreter.
HOST_MB = 192
LONGEST_NAME = 40


class PluginJob(Job, archetype=True):
    """The class of one declared job; `of` creates a subclass for each."""

    plugin: ClassVar[Plugin]
    #: Its entry in the manifest.
    declaration: ClassVar[JobDeclaration]
    permitted: ClassVar[Permissions]
    idempotency = natural(
        "a tick is claimed before its plugin is called; its changes to the workspace must be repeatable"
    )
    cap = 1

    def work(self, run: RunContext) -> Outcome:
        from shared.plugins.host import error_webhook

        reserved = cpu_quota.reserve(run, self.plugin.id, self.permitted.limits.cpu_ms)
        if isinstance(reserved, str):
            return Skipped(Reason.RATE_LIMITED, reserved)
        try:
            return self._run(run, reserved)
        except Exception as error:
            error_webhook.post(run, self.plugin.manifest, self.id, error)
            raise

    def plan(self, run: RunContext) -> list[str]:
        limits, allowed = self.permitted.limits, self.permitted
        return [
            f"call {self.declaration.handler} of {self.plugin.id} {self.plugin.manifest.version}",
            f"priority {self.declaration.priority}; tags: {', '.join(self.declaration.tags) or 'none'}",
            f"for at most {limits.timeout_ms} ms, {limits.cpu_ms} ms of CPU time and {limits.memory_mb} MB",
            f"files ({allowed.fs_mode}): {', '.join(allowed.fs_allow) or 'none'}",
            f"hosts: {', '.join(allowed.net) or 'none'}",
            f"variables: {', '.join(allowed.env) or 'none'}",
            f"commands: {', '.join(allowed.shell_allow) or 'none'}",
        ]

    @property
    def id(self) -> str:
        return f"{self.plugin.id}:{self.declaration.id}"

    def order(self, run: RunContext, where: str) -> Order:
        from shared.plugins.host.sandbox import Order

        context = {
            "jobId": self.id,
            "executedAt": clock.iso(run.at),
            # The fencing token increases with every run that takes the claim.
            "runCount": run.claim.fence if run.claim else 1,
            "pluginId": self.plugin.id,
            "pluginVersion": self.plugin.manifest.version,
            "workdir": where,
            "outdir": next((glob for glob in self.permitted.fs_allow if not set(glob) & set("*?")), f".kb/{self.name}"),
        }
        return Order(self.declaration.handler, self.plugin.root, self.permitted.limits, context)

    def _run(self, tick: RunContext, reserved: cpu_quota.Reservation) -> Outcome:
        from shared.plugins.host import sandbox
        from shared.plugins.host.broker import PluginBroker

        files = workspaces.open_at(tick.setting(WORKSPACE.name), tick.cloud)
        allowed = min(tick.remaining() - FINISH_SECONDS / 2, self.permitted.limits.timeout_ms / 1000)
        log = tick.log.bind(plugin=self.plugin.id, pluginVersion=self.plugin.manifest.version)
        broker = PluginBroker(self.permitted, files, tick.cloud.environment, log, lambda: allowed)
        run = sandbox.run
        if tick.setting(DEBUG.name):
            # Imported lazily: the import modifies this process.
            from shared.plugins.host import debug

            run = debug.run
        try:
            ended = run(self.order(tick, files.where), broker, log, max(0.001, allowed))
        except sandbox.PluginRunError as error:
            cpu_quota.settle(tick, reserved, error.cpu_ms)
            log.error("plugin_failed", error=str(error), stack=getattr(error, "stack", ""))
            raise
        cpu_quota.settle(tick, reserved, ended.cpu_ms)
        return _outcome(ended.result, ended.cpu_ms)


@dataclass(frozen=True, slots=True)
class PluginJobs:
    """Classes of jobs, and the errors of plugins without any, by manifest."""

    classes: list[type[PluginJob]]
    errors: dict[str, DeclarationError]


def discover(plugins: Iterable[Plugin], module: str) -> PluginJobs:
    """The enabled jobs of plugins.

    A plugin with an error has none, and hides no other.
    """
    found = PluginJobs([], {})
    for plugin in plugins:
        try:
            found.classes.extend(list(of([plugin], module)))
        except DeclarationError as error:
            found.errors[str(plugin.path)] = error
    return found


def of(plugins: Iterable[Plugin], module: str) -> Iterator[type[PluginJob]]:
    """Classes of the enabled jobs of plugins. Raises DeclarationError."""
    for plugin in plugins:
        lines = places(read_toml(plugin.path)[0])
        for number, declared in enumerate(plugin.manifest.jobs):
            if declared.enabled:
                origin = f"{plugin.path}:{nearest(lines, ('jobs', number))} {plugin.id}:{declared.id}"
                yield _job_class(plugin, declared, module, origin)


def name_of(plugin: str, job: str) -> str:
    """`@kb-labs/plugin-template:hello-cron` -> `kb-labs-plugin-template-hello-cron`, valid for a function.

    A name that is too long ends in a hash. The registry refuses two ids with the same name.
    """
    name = re.sub(r"[^a-z0-9]+", "-", f"{plugin}:{job}").strip("-")
    name = name if name[0].isalpha() else f"p-{name}"
    if len(name) <= LONGEST_NAME:
        return name
    return f"{name[: LONGEST_NAME - 9].rstrip('-')}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def folder_of(plugin: str) -> str:
    """Folder of a plugin in a bundle: `@acme/tool` -> `acme.tool`."""
    return plugin.removeprefix("@").replace("/", ".")


def _job_class(plugin: Plugin, declared: JobDeclaration, module: str, origin: str) -> type[PluginJob]:
    permitted = plugin.manifest.permitted(declared)
    limits, name = permitted.limits, name_of(plugin.id, declared.id)
    inside = plugin.path.parent.relative_to(plugin.root)
    members: dict[str, Any] = {
        "__module__": module,
        "__doc__": declared.describe if declared.describe.endswith(".") else f"{declared.describe}.",
        "name": name,
        "place": f"{'/'.join(module.split('.')[1:])}:{name}",
        "origin": origin,
        "plugin": plugin,
        "declaration": declared,
        "permitted": permitted,
        "schedule": Schedule(declared.schedule),
        "timeout": max(10, -(-limits.timeout_ms // 1000) + OVERHEAD_SECONDS + FINISH_SECONDS),
        "memory": min(10_240, max(256, limits.memory_mb + HOST_MB)),
        "retry": retry.exponential(first=2, retries=declared.retries) if declared.retries else retry.NO_RETRY,
        "permissions": _grants(plugin, permitted),
        "settings": _settings(permitted),
        "carries": {f"shipped_plugins/{folder_of(plugin.id)}/{inside.as_posix()}": plugin.path.parent},
    }
    return type(name.title().replace("-", ""), (PluginJob,), members)


def _grants(plugin: Plugin, permitted: Permissions) -> tuple[Grant, ...]:
    from shared.plugins.host import error_webhook

    return (*grants_of(permitted), *cpu_quota.grants(plugin.id), *error_webhook.grants(plugin.manifest))


def _settings(permitted: Permissions) -> tuple[settings.Setting, ...]:
    named = (settings.text(name, "", "A variable that plugins may read") for name in permitted.env)
    return (WORKSPACE, DEBUG, MANIFESTS, DISABLED, cpu_quota.LIMIT, *named)


def _outcome(result: Any, cpu_ms: int) -> Done:
    """The verdict is `ok` of the returned object.

    The note contains all of it.
    """
    ok = not (isinstance(result, dict) and result.get("ok") is False)
    note = "" if result is None else json.dumps(result, ensure_ascii=False)
    return Done({"cpu_ms": cpu_ms}, ok=ok, note=note)
