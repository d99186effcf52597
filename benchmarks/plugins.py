"""Cost of a plugin job's process and audit hook.

    python -m benchmarks.plugins [--runs 21]

`start`: from the order to the handler in its sandbox, beside `fork` of this process, which inherits its secrets, and
`spawn` of one that imports boto3. `files`: 10,000 file operations of a handler through its context, on disk, with and
without the hook, alternating. `plain`: opening and reading a file of its own code 10,000 times, without the context.
Starts are medians, the others the best of their rounds. Exit code 1 if a start takes more than 150 ms, or if the hook
adds more than 5 % to either.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from shared.observability.log import Log
from shared.plugins.host import sandbox
from shared.plugins.host.broker import PluginBroker
from shared.plugins.host.disk_workspace import DiskWorkspace
from shared.plugins.manifest.permissions import Limits, Permissions

MOST_MS, MOST_PERCENT = 150.0, 5.0
CODE = """
import os, time

def start(context):
    return time.time()

def taken(step):
    # The best of a hundred rounds: the machine may be busy, and the processor clock may tick in 4 ms.
    least = 1e9
    for turn in range(100):
        began = time.perf_counter()
        for number in range(50):
            step()
        least = min(least, time.perf_counter() - began)
    return least * 100

def files(context):
    fs = context.fs
    fs.write("own/x", "x")
    def step():
        fs.read("own/x")
        fs.append("own/log", "x")
    return taken(step)

def plain(context):
    def step():
        for twice in range(2):
            with open(__file__) as file:
                file.read()
    return taken(step)
"""
LIMITS = Limits(60_000, 512, 60_000)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.plugins", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=21, help="starts of each kind (default: 21)")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "plugin"
        root.mkdir()
        (root / "plugin.py").write_text(CODE)
        files = DiskWorkspace(Path(folder) / "workspace")
        start = _starts(root, files, given.runs)
        cost = _hook(root, files, max(3, given.runs // 4))
    return int(start > MOST_MS or cost > MOST_PERCENT)


def _starts(root: Path, files: DiskWorkspace, runs: int) -> float:
    ours: list[float] = []
    forks: list[float] = []
    spawns: list[float] = []
    for _ in range(runs):
        began = time.time()
        ours.append((_run("start", root, files).result - began) * 1000)
        forks.append(_timed(_fork))
        spawns.append(_timed(lambda: subprocess.run([sys.executable, "-c", "import boto3"], check=True)))
    start, fork, spawn = median(ours), median(forks), median(spawns)
    print(f"start   p50 {start:6.1f} ms   fork {fork:6.1f} ms   spawn with boto3 {spawn:6.1f} ms", end="   ")
    print(f"ratio to fork {start / fork:.1f}, to spawn {start / spawn:.2f}")
    return start


def _hook(root: Path, files: DiskWorkspace, runs: int) -> float:
    costs: dict[str, float] = {}
    for handler in ("files", "plain"):
        taken: dict[bool, list[float]] = {True: [], False: []}
        for _ in range(runs):
            for hooked in (True, False):
                (files.root / "own" / "log").unlink(missing_ok=True)
                ended = _run(handler, root, files, hooked=hooked)
                taken[hooked].append(ended.result * 1000)
        with_it, without = min(taken[True]), min(taken[False])
        costs[handler] = (with_it / without - 1) * 100
        print(f"{handler:<7} 10,000: {with_it:6.0f} ms with the hook, {without:6.0f} without", end="   ")
        print(f"ratio {with_it / without:.3f}")
    return max(costs.values())


def _run(handler: str, root: Path, files: DiskWorkspace, *, hooked: bool = True) -> sandbox.RunResult:
    granted = Permissions("readWrite", ("own/**",))
    log = Log(lambda _: None)
    context: dict[str, Any] = dict.fromkeys(
        ("jobId", "executedAt", "pluginId", "pluginVersion", "workdir", "outdir"), "x"
    )
    order = sandbox.Order(f"plugin:{handler}", root, LIMITS, {**context, "runCount": 1})
    boot = sandbox.BOOT
    if not hooked:
        sandbox.BOOT = root / "boot.py"
        text = boot.read_text().replace("hook.install(order", "(lambda *_: None)(order")
        sandbox.BOOT.write_text(text.replace("ROOT = ", f"ROOT = {str(boot.parents[3])!r} or "))
    try:
        return sandbox.run(order, PluginBroker(granted, files, {}, log, lambda: 60.0), log, 60)
    finally:
        sandbox.BOOT = boot


def _fork() -> None:
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)


def _timed(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    sys.exit(main())
