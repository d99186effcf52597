"""Prove the jobs: `make prove`, or `python -m proof [JOB ...]`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence

from proof import certificate
from proof.certificate import Certificate
from proof.crash.parallel import prove_all
from proof.crash.prover import Prover
from proof.world.fault import CrashPoint
from shared.job.registry import UnknownJob

COLUMNS = ("calls", "points", *certificate.FAULTS, "uncertain", "repeated")
WRONG_USE = 2


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m proof", description=__doc__)
    made.add_argument("jobs", nargs="*", metavar="JOB", help="jobs to prove (default: all)")
    made.add_argument("--point", metavar="CALL:KIND", help="try this crash point of one job, and print what it leaves")
    made.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="processes (default: one per core)")
    made.add_argument("--write", action="store_true", help="store the certificates in docs/reference")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    args = parser().parse_args(arguments)
    try:
        if args.point:
            return _try_point(args.jobs, args.point)
        names = _names(args.jobs)
    except (UnknownJob, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return WRONG_USE
    began = time.monotonic()
    proven = []
    print(_line("job", COLUMNS))
    for each in prove_all(names, args.processes):
        proven.append(each)
        print(_line(each.job, [getattr(each, name) for name in COLUMNS]), flush=True)
    if args.write:
        certificate.write_all(proven)
    return _report(proven, time.monotonic() - began)


def _report(proven: Sequence[Certificate], seconds: float) -> int:
    points = sum(each.points for each in proven)
    print(
        f"{points} crash points of {len(proven)} jobs in {seconds:.0f} s, {points / max(seconds, 0.001):.0f} a second"
    )
    broken = [each for each in proven if not each.holds]
    for each in broken:
        for point, found in each.violations.items():
            print(f"{each.job} {point}: {found}\n  python -m proof {each.job} --point {point}")
    return 1 if broken else 0


def _names(asked: Sequence[str]) -> list[str]:
    from shared.job import registry

    jobs = registry.discover({}).jobs
    for name in asked:
        if name not in jobs:
            raise UnknownJob(name, list(jobs))
    return list(asked) or list(jobs)


def _try_point(names: Sequence[str], text: str) -> int:
    """Print the call that a crash point meets, and every difference."""
    if len(names) != 1:
        raise ValueError("--point takes exactly one JOB")
    name, point = _names(names)[0], CrashPoint.parse(text)
    with Prover() as prover:
        job = prover.jobs[name]
        expected, calls = prover.undisturbed(job)
        if point.call > len(calls):
            raise ValueError(f"{name} makes {len(calls)} calls, and call {point.call} is none of them")
        verdict = prover.judge(job, point, expected)
        print(f"{name}, {point}: {calls[point.call - 1]}")
        for level, message, fields in prover.world.log.lines:
            if level != "METRIC":
                print(f"  {level} {message} {fields.get('error', fields.get('note', ''))}")
    for field in (*certificate.FAULTS, "repeated", "uncertain"):
        for found in getattr(verdict, field):
            print(f"{field}: {found}")
    return 1 if verdict.faults() else 0


def _line(first: str, rest: Sequence[object]) -> str:
    return f"{first:<38}" + "".join(f"{each!s:>13}" for each in rest)


if __name__ == "__main__":
    sys.exit(main())
