"""What a cold start of each deployed job costs in CPU, side by side with boto3 and one DynamoDB client.

    python -m benchmarks.cold_start [--runs 15] [JOB ...]

Each figure is the CPU (user and system) that a fresh interpreter has used when the import is done: its start and the
import, with bytecode present as in a bundle, but not its exit, which Lambda never pays. A ratio is the median over
runs, each against a peer started within the same few seconds. `import` is `shared.handler` with what it makes at init;
`first run` adds the S3 and SQS clients of a run that keeps an artifact and sends a retry, and is what is judged.
Exit code 1 where the worst job is over its budget.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
# Of the peer's CPU: a job without a payload, and one whose payload brings pydantic.
PLAIN, PAYLOAD = 1.15, 1.45
# Jobs measured against one start of the peer: few enough that the machine's mood has not changed in between.
ABREAST = 4

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


@dataclass(slots=True)
class Samples:
    """One job's figures over all runs, seconds and ratios."""

    payload: bool = False
    cpu: list[float] = field(default_factory=list)
    imported: list[float] = field(default_factory=list)
    first_run: list[float] = field(default_factory=list)

    @property
    def budget(self) -> float:
        return PAYLOAD if self.payload else PLAIN

    @property
    def strain(self) -> float:
        """The share of its budget that the job uses."""
        return median(self.first_run) / self.budget


def start(code: str, bytecode: str, job: str = "") -> dict[str, float]:
    """Run `code` in a fresh interpreter that sees what Lambda would show it, and return what it prints."""
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": bytecode,  # no profile, no model of the user's own
        "PYTHONPATH": str(ROOT),
        "PYTHONPYCACHEPREFIX": bytecode,
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
        raise SystemExit(f"{job or 'the peer'} cannot be imported:\n{done.stderr}")
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def measure(jobs: Sequence[str], runs: int) -> tuple[float, dict[str, Samples]]:
    """The peer's median CPU in seconds, and each job's samples."""
    peers: list[float] = []
    samples: defaultdict[str, Samples] = defaultdict(Samples)
    with tempfile.TemporaryDirectory() as bytecode:
        # The first start of each writes the bytecode.
        start(PEER, bytecode)
        for job in jobs:
            samples[job].payload = bool(start(JOB, bytecode, job)["payload"])
        for _ in range(runs):
            order = random.sample(jobs, len(jobs))
            for first in range(0, len(order), ABREAST):
                peer = start(PEER, bytecode)["import"]
                peers.append(peer)
                for job in order[first : first + ABREAST]:
                    figures = start(JOB, bytecode, job)
                    samples[job].cpu.append(figures["first run"])
                    samples[job].imported.append(figures["import"] / peer)
                    samples[job].first_run.append(figures["first run"] / peer)
    return median(peers), dict(samples)


def deployed() -> list[str]:
    """`sites/pricing` for each job found in functions/."""
    sys.path.insert(0, str(ROOT))
    from shared.job import registry

    return [job.place for job in registry.jobs().values()]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.cold_start", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("jobs", nargs="*", metavar="JOB", help="<group>/<module>; every job where none is given")
    parser.add_argument("--runs", type=int, default=15, help="starts of each job (default: 15)")
    given = parser.parse_args(arguments)
    jobs = given.jobs or deployed()
    if not jobs:
        parser.error("functions/ holds no job to measure")

    peer, samples = measure(jobs, given.runs)
    print(f"{'job':<40} {'ms':>6} {'import':>7} {'first run':>10} {'budget':>7}")
    print(f"{'boto3 and a DynamoDB client':<40} {peer * 1000:>6.0f} {1:>7.2f}")
    for job, seen in sorted(samples.items(), key=lambda item: -item[1].strain):
        cpu, imported, first_run = median(seen.cpu) * 1000, median(seen.imported), median(seen.first_run)
        print(f"{job:<40} {cpu:>6.0f} {imported:>7.2f} {first_run:>10.2f} {seen.budget:>7.2f}")
    worst = max(samples.values(), key=lambda seen: seen.strain)
    print(f"worst: {median(worst.first_run):.2f} of a budget of {worst.budget:.2f}")
    return 0 if worst.strain <= 1 else 1


if __name__ == "__main__":
    sys.exit(main())
