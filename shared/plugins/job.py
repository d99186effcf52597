"""A plugin's job as a job like any other: claimed, retried, dead-lettered, recorded; its work is done elsewhere."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from shared import clock
from shared.aws.permissions import Grant
from shared.job import retry, settings
from shared.job.definition import FINISH_SECONDS, Job
from shared.job.idempotency import natural
from shared.job.outcome import Done, Outcome, Reason, Skipped
from shared.job.schedule import Schedule
from shared.plugins.host import cpu_quota, workspaces
from shared.plugins.manifest.discovery import DISABLED, MANIFESTS, Plugin
from shared.plugins.manifest.iam import grants_of
from shared.plugins.manifest.permissions import Permissions
from shared.plugins.manifest.toml_lines import line_of
from shared.run.context import RunContext

if TYPE_CHECKING:
    from shared.plugins.host.sandbox import Order
    from shared.plugins.manifest.manifest import Declared

WORKSPACE = settings.text("KB_WORKSPACE", "", "Folder of the plugins' workspace; in the deployment's bucket if not set")
DEBUG = settings.flag("KB_JOBS_DEBUG", False, "Whether plugins run in the process of their host, for breakpoints")
# Seconds beside its own time that a plugin's run takes: its process, and what the host writes.
AROUND = 5
# MB beside its own memory: the host, and the bare interpreter.
HOST_MB = 192
LONGEST_NAME = 40


class PluginJob(Job, archetype=True):
    """plugin, told: where it comes from, and what its manifest says of it. permitted: what it may touch."""

    plugin: ClassVar[Plugin]
    told: ClassVar[Declared]
    permitted: ClassVar[Permissions]
    idempotency = natural(
        "a tick is claimed before its plugin is called; what the plugin does to the workspace it must be able to repeat"
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
            error_webhook.tell(run, self.plugin.manifest, self.id, error)
            raise

    def plan(self, run: RunContext) -> list[str]:
        limits, allowed = self.permitted.limits, self.permitted
        return [
            f"call {self.told.handler} of {self.plugin.id} {self.plugin.manifest.version}",
            f"priority {self.told.priority}; tags: {', '.join(self.told.tags) or 'none'}",
            f"for at most {limits.timeout_ms} ms, {limits.cpu_ms} ms of processor and {limits.memory_mb} MB",
            f"files ({allowed.fs_mode}): {', '.join(allowed.fs_allow) or 'none'}",
            f"hosts: {', '.join(allowed.net) or 'none'}",
            f"variables: {', '.join(allowed.env) or 'none'}",
            f"commands: {', '.join(allowed.shell_allow) or 'none'}",
        ]

    @property
    def id(self) -> str:
        return f"{self.plugin.id}:{self.told.id}"

    def order(self, run: RunContext, where: str) -> Order:
        from shared.plugins.host.sandbox import Order

        context = {
            "jobId": self.id,
            "executedAt": clock.iso(run.at),
            # Every run that takes the claim has the next fencing token.
            "runCount": run.claim.fence if run.claim else 1,
            "pluginId": self.plugin.id,
            "pluginVersion": self.plugin.manifest.version,
            "workdir": where,
            "outdir": next((glob for glob in self.permitted.fs_allow if not set(glob) & set("*?")), f".kb/{self.name}"),
        }
        return Order(self.told.handler, self.plugin.root, self.permitted.limits, context)

    def _run(self, tick: RunContext, reserved: cpu_quota.Reserved) -> Outcome:
        from shared.plugins.host import sandbox
        from shared.plugins.host.broker import Broker

        files = workspaces.open_at(tick.setting(WORKSPACE.name), tick.cloud)
        allowed = min(tick.remaining() - FINISH_SECONDS / 2, self.permitted.limits.timeout_ms / 1000)
        log = tick.log.bind(plugin=self.plugin.id, pluginVersion=self.plugin.manifest.version)
        broker = Broker(self.permitted, files, tick.cloud.environment, log, lambda: allowed)
        run = sandbox.run
        if tick.setting(DEBUG.name):
            # It changes the process that imports it.
            from shared.plugins.host import debug

            run = debug.run
        try:
            ended = run(self.order(tick, files.where), broker, log, max(0.001, allowed))
        except sandbox.Ending as error:
            cpu_quota.settle(tick, reserved, error.cpu_ms)
            log.error("plugin_failed", error=str(error), stack=getattr(error, "stack", ""))
            raise
        cpu_quota.settle(tick, reserved, ended.cpu_ms)
        return _outcome(ended.result, ended.cpu_ms)


def of(plugins: Iterable[Plugin], module: str) -> Iterator[type[PluginJob]]:
    """The classes of their jobs that are enabled. Raises DeclarationError. module: that they are found in."""
    for plugin in plugins:
        text = plugin.path.read_text()
        for number, declared in enumerate(plugin.manifest.jobs):
            if declared.enabled:
                origin = f"{plugin.path}:{line_of(text, ('jobs', number))} {plugin.id}:{declared.id}"
                yield _made(plugin, declared, module, origin)


def name_of(plugin: str, job: str) -> str:
    """`@kb-labs/plugin-template:hello-cron` -> `kb-labs-plugin-template-hello-cron`: what a function can be called.

    A name that is too long ends in a hash; two ids that come to one name are refused by the registry.
    """
    name = re.sub(r"[^a-z0-9]+", "-", f"{plugin}:{job}").strip("-")
    name = name if name[0].isalpha() else f"p-{name}"
    if len(name) <= LONGEST_NAME:
        return name
    return f"{name[: LONGEST_NAME - 9].rstrip('-')}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _made(plugin: Plugin, declared: Declared, module: str, origin: str) -> type[PluginJob]:
    permitted = plugin.manifest.permitted(declared)
    limits, name = permitted.limits, name_of(plugin.id, declared.id)
    inside = plugin.path.parent.relative_to(plugin.root)
    told: dict[str, Any] = {
        "__module__": module,
        "__doc__": declared.describe if declared.describe.endswith(".") else f"{declared.describe}.",
        "name": name,
        "place": f"{'/'.join(module.split('.')[1:])}:{name}",
        "origin": origin,
        "plugin": plugin,
        "told": declared,
        "permitted": permitted,
        "schedule": Schedule(declared.schedule),
        "timeout": max(10, -(-limits.timeout_ms // 1000) + AROUND + FINISH_SECONDS),
        "memory": min(10_240, max(256, limits.memory_mb + HOST_MB)),
        "retry": retry.exponential(first=2, retries=declared.retries) if declared.retries else retry.NONE,
        "permissions": _grants(plugin, permitted),
        "settings": _settings(permitted),
        "carries": {f"shipped_plugins/{name_of(plugin.id, 'x')[:-2]}/{inside.as_posix()}": plugin.path.parent},
    }
    return type(name.title().replace("-", ""), (PluginJob,), told)


def _grants(plugin: Plugin, permitted: Permissions) -> tuple[Grant, ...]:
    from shared.plugins.host import error_webhook

    return (*grants_of(permitted), *cpu_quota.grants(plugin.id), *error_webhook.grants(plugin.manifest))


def _settings(permitted: Permissions) -> tuple[settings.Setting, ...]:
    named = (settings.text(name, "", "A variable that plugins are allowed to read") for name in permitted.env)
    return (WORKSPACE, DEBUG, MANIFESTS, DISABLED, cpu_quota.LIMIT, *named)


def _outcome(result: Any, cpu_ms: int) -> Done:
    """`ok` of what was returned is the verdict; the rest is for people to read."""
    ok = not (isinstance(result, dict) and result.get("ok") is False)
    note = "" if result is None else json.dumps(result, ensure_ascii=False)
    return Done({"cpu_ms": cpu_ms}, ok=ok, note=note)
