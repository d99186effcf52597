"""Measure the CPU of cold starts, relative to boto3 with one client.

For every deployed function; the peer has one DynamoDB client.

    python -m benchmarks.cold_start [--runs 15] [FUNCTION ...]

Each figure is the CPU (user and system) of a fresh interpreter from its start to the end of the import, with bytecode
as in a bundle, without its exit, for which Lambda does not charge. Functions import third-party code from the layer of
their group, as on Lambda; the peer imports boto3 as it is installed. A ratio is the median over runs, each against a
peer started within the same few seconds. `import` is `shared.handler` with its init, or the module of an HTTP function;
`first run` adds the clients of a first event (a job stores an artifact and sends a retry, an HTTP function reads the
state and a secret), and is compared with the budget. Exit code 1 if a function exceeds its budget.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from infra import layer, platform

ROOT = Path(__file__).resolve().parent.parent
# Budgets in CPU of the peer: a job, a job whose payload imports pydantic, an HTTP function with Powertools' resolver.
PLAIN, PAYLOAD, HTTP = 1.15, 1.45, 2.2
# Functions measured against one start of the peer: few, so that the load of the machine has not changed.
FUNCTIONS_PER_PEER = 4

PEER = """
import boto3
boto3.client("dynamodb")
import json, time
print(json.dumps({"import": time.process_time()}))
"""
JOB = """
import shared.handler as entry
import json, sys, time
imported = time.process_time()
entry.CLOUD.s3, entry.CLOUD.sqs
print(json.dumps({"import": imported, "first run": time.process_time(), "payload": "pydantic" in sys.modules}))
"""
ENDPOINT = """
import json, sys, time
from importlib import import_module
entry = import_module("functions.{group}.handler")
imported = time.process_time()
entry.CLOUD.dynamodb, entry.CLOUD.secrets
print(json.dumps({{"import": imported, "first run": time.process_time(), "payload": True}}))
"""


@dataclass(frozen=True, slots=True)
class Function:
    """A job by its place (`sites/pricing`), or an HTTP function's folder (`trigger`)."""

    name: str

    @property
    def group(self) -> str:
        return self.name.partition("/")[0]

    @property
    def is_http(self) -> bool:
        return "/" not in self.name

    @property
    def code(self) -> str:
        return ENDPOINT.format(group=self.group) if self.is_http else JOB


@dataclass(slots=True)
class Samples:
    """Figures of one function: seconds, and ratios to the peer."""

    budget: float
    cpu: list[float] = field(default_factory=list)
    imported: list[float] = field(default_factory=list)
    first_run: list[float] = field(default_factory=list)

    @property
    def used(self) -> float:
        """Share of the budget that the function uses."""
        return median(self.first_run) / self.budget


class Layers:
    """Layers of groups, extracted into a folder: one for each content."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, group: str) -> str:
        package = layer.layer(group, platform.on_this_machine())
        content = self.folder / package.digest
        if not content.exists():
            with zipfile.ZipFile(package.path) as archive:
                archive.extractall(content)
        return str(content / "python")


def start(code: str, bytecode: Path, layer_path: str = "", job: str = "") -> dict[str, float]:
    """Run `code` in a fresh interpreter with a function's environment.

    Returns what it prints.
    """
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(bytecode),  # neither a profile nor service models of the user
        "PYTHONPATH": f"{ROOT}{os.pathsep}{layer_path}" if layer_path else str(ROOT),
        "PYTHONPYCACHEPREFIX": str(bytecode),
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "example",
        "AWS_SESSION_TOKEN": "example",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "NIGHTSHIFT_STAGE": "benchmark",
        "NIGHTSHIFT_JOB": job,
    }
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{job or code} cannot be imported:\n{done.stderr}")
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def measure(functions: Sequence[Function], runs: int) -> tuple[float, dict[str, Samples]]:
    """The peer's median CPU in seconds, and samples of each function."""
    peers: list[float] = []
    samples: dict[str, Samples] = {}
    with tempfile.TemporaryDirectory() as temporary:
        bytecode, layers = Path(temporary) / "bytecode", Layers(Path(temporary))
        paths = {group: layers.path(group) for group in {function.group for function in functions}}

        def start_function(function: Function) -> dict[str, float]:
            return start(function.code, bytecode, paths[function.group], function.name)

        # The first start of each writes the bytecode.
        start(PEER, bytecode)
        for function in functions:
            payload = start_function(function)["payload"]
            samples[function.name] = Samples(HTTP if function.is_http else PAYLOAD if payload else PLAIN)
        for _ in range(runs):
            order = random.sample(functions, len(functions))
            for first in range(0, len(order), FUNCTIONS_PER_PEER):
                peer = start(PEER, bytecode)["import"]
                peers.append(peer)
                for function in order[first : first + FUNCTIONS_PER_PEER]:
                    figures, seen = start_function(function), samples[function.name]
                    seen.cpu.append(figures["first run"])
                    seen.imported.append(figures["import"] / peer)
                    seen.first_run.append(figures["first run"] / peer)
    return median(peers), samples


def deployed() -> list[str]:
    """`sites/pricing` for each job in functions/, and `trigger` for each HTTP function."""
    from shared.job import registry

    endpoints = [path.parent.name for path in sorted((ROOT / "functions").glob("*/handler.py"))]
    return [*(job.place for job in registry.jobs().values()), *endpoints]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.cold_start", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "functions", nargs="*", metavar="FUNCTION", help="<group>/<module> of a job, or <group> of an HTTP function"
    )
    parser.add_argument("--runs", type=int, default=15, help="starts of each function (default: 15)")
    options = parser.parse_args(arguments)
    functions = [Function(name) for name in options.functions or deployed()]
    if not functions:
        parser.error("functions/ contains no job to measure")

    peer, samples = measure(functions, options.runs)
    print(f"{'function':<40} {'ms':>6} {'import':>7} {'first run':>10} {'budget':>7}")
    print(f"{'boto3 and a DynamoDB client':<40} {peer * 1000:>6.0f} {1:>7.2f}")
    for name, seen in sorted(samples.items(), key=lambda item: -item[1].used):
        cpu, imported, first_run = median(seen.cpu) * 1000, median(seen.imported), median(seen.first_run)
        print(f"{name:<40} {cpu:>6.0f} {imported:>7.2f} {first_run:>10.2f} {seen.budget:>7.2f}")
    worst = max(samples.values(), key=lambda seen: seen.used)
    print(f"worst: {median(worst.first_run):.2f} of a budget of {worst.budget:.2f}")
    return 0 if worst.used <= 1 else 1


if __name__ == "__main__":
    sys.exit(main())
