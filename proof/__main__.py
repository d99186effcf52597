"""Prove the jobs: `make prove`, or `python -m proof [JOB ...]`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence

from cli import certificates
from infra.certificates import FAULTS
from proof import certificate
from proof.certificate import Certificate
from proof.crash.parallel import prove_all
from proof.crash.prover import Prover, UndisturbedFailure
from proof.crash.sampling import Scope
from proof.world.fault import CrashPoint
from shared.job import registry
from shared.job.registry import UnknownJob

COLUMNS = ("calls", "points", "pairs", *FAULTS, "uncertain", "repeated")
WRONG_USE = 2
# Before the digest of the code for which a crash point was found.
OF_CODE = "@"


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m proof", description=__doc__)
    made.add_argument("jobs", nargs="*", metavar="JOB", help="jobs to prove (default: all)")
    made.add_argument("--point", metavar="CALL:KIND", help="try this crash point of one job, and print what it leaves")
    made.add_argument("--sample", type=_positive, metavar="N", help="crash points of each job (default: all)")
    made.add_argument(
        "--pairs", type=_positive, default=0, metavar="N", help="pairs of faults of each job (default: 0)"
    )
    made.add_argument("--seed", type=int, default=1, metavar="S", help="seed of samples and pairs (default: 1)")
    made.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="processes (default: one per core)")
    made.add_argument("--write", action="store_true", help="store the certificates in docs/reference")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    args = parser().parse_args(arguments)
    try:
        if args.point:
            return _try_point(args.jobs, args.point)
        if args.write and args.sample:
            raise ValueError("--write stores certificates, which are of all crash points; leave out --sample")
        names = _names(args.jobs)
        return _prove(names, args)
    except (UnknownJob, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return WRONG_USE
    except UndisturbedFailure as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1


def _prove(names: Sequence[str], args: argparse.Namespace) -> int:
    began = time.monotonic()
    proven = []
    print(_line("job", COLUMNS))
    for each in prove_all(names, Scope(args.sample, args.pairs, args.seed), args.processes):
        proven.append(each)
        print(_line(each.job, [getattr(each, name) for name in COLUMNS]), flush=True)
        if args.write:
            certificate.write_all([each])
    return _report(proven, time.monotonic() - began)


def _report(proven: Sequence[Certificate], seconds: float) -> int:
    plans = sum(each.points + each.pairs for each in proven)
    rate = plans / max(seconds, 0.001)
    print(f"{plans:,} plans of {len(proven)} jobs in {seconds:.0f} s, {rate:.0f} a second")
    broken = [each for each in proven if not each.holds]
    for each in broken:
        for point, found in each.violations.items():
            print(f"{each.job} {point}: {found}\n  python -m proof {each.job} --point {point}{OF_CODE}{each.code}")
    return 1 if broken else 0


def _names(asked: Sequence[str]) -> list[str]:
    jobs = registry.discover({}).jobs
    for name in asked:
        if name not in jobs:
            raise UnknownJob(name, list(jobs))
    return list(asked) or list(jobs)


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no positive number")
    return int(text)


def _try_point(names: Sequence[str], text: str) -> int:
    """Print the calls that the faults meet, and every difference."""
    if len(names) != 1:
        raise ValueError("--point takes exactly one JOB")
    point, _, code = text.partition(OF_CODE)
    name, crash = _names(names)[0], CrashPoint.parse(point)
    with Prover(merges=False) as prover:
        job = prover.jobs[name]
        if code and code != (now := certificates.code_digest(job)):
            raise ValueError(
                f"the crash point is of code {code}, and that of {name} is {now} now, whose calls may differ; "
                f"prove {name} again, or give {point} without {OF_CODE}{code}"
            )
        expected, calls = prover.undisturbed(job, 2 if crash.then else 1)
        if crash.call > len(calls):
            raise ValueError(f"{name} makes {len(calls)} calls, and call {crash.call} is none of them")
        verdict = prover.judge(job, crash, expected)
        met = [call for process in prover.world.faulted for call in process.faulted_calls()]
        print(f"{name}, {crash}: {', '.join(met)}")
        if crash.then and len(met) < 2:
            print("the second fault met no call")
        for level, message, fields in prover.world.log.lines:
            if level != "METRIC":
                print(f"  {level} {message} {fields.get('error', fields.get('note', ''))}")
    for field in (*FAULTS, "repeated", "uncertain"):
        for found in getattr(verdict, field):
            print(f"{field}: {found}")
    return 1 if verdict.faults() else 0


def _line(first: str, rest: Sequence[object]) -> str:
    return f"{first:<38}" + "".join(f"{each!s:>13}" for each in rest)


if __name__ == "__main__":
    sys.exit(main())
