"""Deployment of the real templates to the engine, skipped if unchanged.

Runs `cdk bootstrap` and `cdk deploy`, with node and the CDK command line at the versions of the lock files, and without
the user's AWS and CDK configuration.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from local.assemblies import Assemblies, fingerprint
from local.engine import properties
from local.engine.engine import ROOT, Engine
from local.running import DEPLOYED
from shared.plugins.manifest import discovery

# Record of the last deployment, in the folder of the state.
ASSEMBLIES = ROOT / ".local" / "assemblies"
# Prefix of the app's progress, infra/progress.py.
PREFIX = "synth: "
# What the CDK prints for each stack that it has deployed.
STACK_DEPLOYED = re.compile(r"\s*\u2705\s+(?:Deployed\s+)?([\w-]+)")
# Inputs of the templates, besides the settings.
SOURCES = (
    *("functions", "shared", "workers", "infra"),
    *("cdk.json", "pyproject.toml", "uv.lock", "package-lock.json"),
)
# Installed packages that shape the templates and layers; an old .venv has other versions than the lock file.
TOOLS = ("aws-cdk-lib", "botocore", "uv")
# jsii's default cache of the unpacked CDK; unpacking takes 15 s.
JSII_CACHE = (
    "Library/Caches/com.amazonaws.jsii/package-cache" if sys.platform == "darwin" else ".cache/aws/jsii/package-cache"
)


class DeployError(RuntimeError):
    """A step of the deployment failed; the message is its output."""


@dataclass
class LocalDeployment:
    """Deployment of a stage.

    `settings`: variables of the templates; `took`: seconds by step; `report`: called with each line of progress.
    """

    engine: Engine
    root: Path = ROOT
    settings: Mapping[str, str] = field(default_factory=dict)
    stage: str = "local"
    took: dict[str, float] = field(default_factory=dict)
    report: Callable[[str], None] = lambda _: None

    def __post_init__(self) -> None:
        self.folder = self.engine.folder.parent
        self.assembly = self.folder / "cdk.out"
        # In the state's folder: a fresh state has no record.
        self.record = self.engine.folder / DEPLOYED

    def run(self) -> bool:
        """Deploy if something changed; whether it did. Raises DeployError."""
        deployed = self._deployed()
        sources = self._sources()
        if deployed.get("sources") == sources:
            return False
        with ThreadPoolExecutor(1) as beside:
            bootstrap = beside.submit(self._bootstrap)
            self._provide_assembly(sources)
            bootstrap.result()
        assembly = fingerprint([self.assembly])
        if deployed.get("assembly") != assembly:
            try:
                properties.check(properties.templates_in(self.assembly))
            except properties.DroppedProperty as error:
                raise DeployError(str(error)) from error
            self._deploy()
            self.engine.save()
        # Last: an interrupted deployment is repeated.
        self.record.write_text(json.dumps({"sources": sources, "assembly": assembly}))
        return deployed.get("assembly") != assembly

    def _deployed(self) -> dict[str, str]:
        with contextlib.suppress(OSError, ValueError):
            record: dict[str, str] = json.loads(self.record.read_text())
            return record
        return {}

    def _sources(self) -> str:
        tools = {name: version(name) for name in TOOLS}
        # Settings of this process's environment reach the templates as well.
        settings = {**settings_of(self._environment()), **self.settings}
        # The folder of the state, which templates do not depend on.
        settings.pop("NIGHTSHIFT_LOCAL", None)
        inputs = [sys.version, sys.platform, self.stage, sorted(tools.items()), sorted(settings.items())]
        plugins = {path.resolve().parent for path in discovery.places(self.settings) if path.exists()}
        return fingerprint([*(self.root / name for name in SOURCES), *sorted(plugins)], json.dumps(inputs))

    def _bootstrap(self) -> None:
        from botocore.exceptions import ClientError

        with contextlib.suppress(ClientError):
            self.engine.client("cloudformation").describe_stacks(StackName="CDKToolkit")
            return
        # In another folder than cdk.json, or it would synthesize as well.
        self._cdk("bootstrap", f"aws://{self.engine.account}/{self.engine.region}", folder=self.folder)

    def _provide_assembly(self, sources: str) -> None:
        """Put the templates of these sources into the deployment's folder.

        Reused, or synthesized.
        """
        shutil.rmtree(self.assembly, ignore_errors=True)
        # SOURCES are those of this project, and of no other app.
        assemblies = Assemblies(ASSEMBLIES) if self.root == ROOT else None
        if assemblies and assemblies.copy(sources, self.assembly):
            self.report("the templates are up to date")
            return
        self._synthesize()
        # Not if a source was edited meanwhile: the templates may contain the edit.
        if assemblies and self._sources() == sources:
            assemblies.keep(sources, self.assembly)

    def _synthesize(self) -> None:
        self._cdk("synth", "--quiet", "--output", str(self.assembly), "--context", f"stage={self.stage}")

    def _deploy(self) -> None:
        # No change sets: nobody reviews them here, and they take as long again.
        how = ("--require-approval", "never", "--method", "direct", "--concurrency", "8")
        self._cdk("deploy", "--all", "--app", str(self.assembly), *how)

    def _cdk(self, what: str, *arguments: str, folder: Path | None = None) -> None:
        began = time.monotonic()
        lines = []
        with subprocess.Popen(
            [*command(), what, *arguments, "--ci", "--no-notices", "--no-color"],
            cwd=folder or self.root,
            env=self.engine.environment(self._environment()),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if step := progress_of(line):
                    self.report(step)
                else:
                    lines.append(line)
        self.took[what] = time.monotonic() - began
        if process.returncode:
            raise DeployError(f"cdk {what} ended with {process.returncode}:\n{''.join(lines).strip()}")

    def _environment(self) -> dict[str, str]:
        """Environment of the CDK: the user's proxies, without the user's CDK configuration."""
        other = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CDK_"))}
        # Without a home that can be written to, the caches are in the state's folder.
        home = Path.home() if os.access(Path.home(), os.W_OK | os.X_OK) else self.folder / "home"
        own = {
            # ~/.cdk.json can contain a profile, and more.
            "HOME": str(self.folder / "home"),
            "XDG_CACHE_HOME": other.get("XDG_CACHE_HOME", str(home / ".cache")),
            "XDG_CONFIG_HOME": other.get("XDG_CONFIG_HOME", str(home / ".config")),
            "JSII_RUNTIME_PACKAGE_CACHE_ROOT": other.get("JSII_RUNTIME_PACKAGE_CACHE_ROOT", str(home / JSII_CACHE)),
            "CDK_DISABLE_CLI_TELEMETRY": "true",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{other.get('PATH', os.defpath)}",
        }
        (self.folder / "home").mkdir(parents=True, exist_ok=True)
        return {**other, **own, **self.settings}


def progress_of(line: str) -> str:
    """Progress in a line of the CDK's output; empty for other lines."""
    if line.startswith(PREFIX):
        return line.removeprefix(PREFIX)[len("123.4 s") :].strip()
    done = STACK_DEPLOYED.match(line)
    return f"deployed {done[1]}" if done else ""


def command() -> list[str]:
    """The pinned CDK command line, on the packaged node or the PATH's."""
    node = Path(sys.executable).with_name("node")
    path = str(node) if node.exists() else shutil.which("node")
    cdk = ROOT / "node_modules" / "aws-cdk" / "bin" / "cdk"
    if not path or not cdk.exists():
        missing = str(cdk) if path else f"node (beside {sys.executable} or on the PATH)"
        raise DeployError(f"{missing} is missing: run `make setup`")
    return [path, str(cdk)]


def settings_of(variables: Mapping[str, str]) -> dict[str, str]:
    """Variables that templates depend on: the jobs' settings, and NIGHTSHIFT_*."""
    from shared.job import registry

    names = {setting.name for job in registry.discover().jobs.values() for setting in job.all_settings()}
    return {name: value for name, value in variables.items() if name in names or name.startswith("NIGHTSHIFT_")}
