"""Fixtures: run a few lines of code as a plugin, with the permissions that a test grants."""

from __future__ import annotations

import textwrap
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from shared.plugins.host.broker import PluginBroker
from shared.plugins.host.disk_workspace import DiskWorkspace
from shared.plugins.host.sandbox import Order, RunResult, WallClockExceeded, run
from shared.plugins.manifest.permissions import Limits, Permissions
from tests.conftest import Lines

GRANTED = Permissions("readWrite", ("own/**", "own"), ("**/*.key",))
AMPLE = Limits(10_000, 256, 10_000)
CONTEXT = {
    "jobId": "acme:x",
    "executedAt": "2026-03-02T12:00:00.000Z",
    "runCount": 1,
    "pluginId": "acme",
    "pluginVersion": "1.0.0",
    "workdir": "workspace",
    "outdir": "own",
}
Sandboxed = Callable[..., RunResult]
# Seconds within which something happens on a busy machine that happens at once on an idle one.
PATIENCE = 30.0


def plugin_threads() -> set[threading.Thread]:
    """Threads of plugins' runs; a test's worker has threads of other servers too."""
    return {thread for thread in threading.enumerate() if thread.name.startswith("plugin-")}


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"it did not happen within {PATIENCE:.0f} s"
        time.sleep(0.01)


def shortest_overrun(exceed: Callable[[], object], quota_ms: int, enough_ms: int) -> int:
    """Milliseconds that the run which is killed soonest had beyond its wall clock quota.

    Repeated until it was `enough_ms`: on a busy machine the host itself may wait for a processor.
    """
    overruns: list[int] = []
    while len(overruns) < 5 and (not overruns or min(overruns) > enough_ms):
        with pytest.raises(WallClockExceeded) as ended:
            exceed()
        overruns.append(int(str(ended.value).rpartition(" and ")[2].removesuffix(" ms")) - quota_ms)
    assert min(overruns) >= 0, "it was killed before its time"
    return min(overruns)


@pytest.fixture
def files(tmp_path: Path) -> DiskWorkspace:
    return DiskWorkspace(tmp_path / "workspace")


@pytest.fixture
def sandboxed(tmp_path: Path, files: DiskWorkspace, log: Lines) -> Sandboxed:
    """`sandboxed("return 1")` runs the lines as a handler; `context` is its argument."""

    def call(
        code: str,
        granted: Permissions = GRANTED,
        limits: Limits = AMPLE,
        environment: Mapping[str, str] | None = None,
        name: str = "acme",
    ) -> RunResult:
        root = tmp_path / "plugin"
        root.mkdir(exist_ok=True)
        body = textwrap.indent(textwrap.dedent(code).strip(), "    ")
        (root / f"{name}.py").write_text(f"import os, sys, time\n\ndef handle(context):\n{body}\n")
        broker = PluginBroker(granted, files, environment or {}, log, lambda: limits.timeout_ms / 1000)
        context: dict[str, Any] = {**CONTEXT, "workdir": files.where}
        return run(Order(f"{name}:handle", root, limits, context), broker, log, 60)

    return call
