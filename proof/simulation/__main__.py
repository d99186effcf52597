"""Simulate the registry: `make simulate`, or `python -m proof.simulation`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from proof.simulation.minimiser import minimise
from proof.simulation.plan import VERSION, PlanError, SimulationPlan, parse_seed
from proof.simulation.simulation import Simulation, SimulationResult
from shared.job.registry import UnknownJob

WRONG_USE = 2
DAYS = 3.0
# Python orders the values of a set by it, and it differs from process to process.
HASH_SEED = "PYTHONHASHSEED"


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m proof.simulation", description=__doc__)
    made.add_argument("--seed", default="1", metavar="N", help="seed of the plan (default: %(default)s)")
    made.add_argument("--seeds", metavar="FIRST..LAST", help="several seeds, one after the other")
    made.add_argument("--days", type=float, default=DAYS, metavar="N", help="simulated days (default: %(default)s)")
    made.add_argument("--jobs", default="", metavar="A,B", help="jobs whose ticks fire (default: the seed draws some)")
    made.add_argument("--keep", metavar="N,N", help="numbers of the disturbances to keep; none: an empty text")
    made.add_argument("--plan", type=Path, metavar="FILE", help="run a plan that --write has written")
    made.add_argument("--write", type=Path, metavar="FILE", help="write the plan to a file, and run it")
    made.add_argument("--shorten", action="store_true", help="leave out disturbances as long as it is still violated")
    made.add_argument("--trace", action="store_true", help="print each process and its calls")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    args = parser().parse_args(arguments)
    began, broken, count = time.monotonic(), 0, 0
    with Simulation() as simulation:
        try:
            plans = list(_plans(args, simulation))
            for plan in plans:
                result = simulation.run(plan, print if args.trace else None)
                count += 1
                print(_line(result), flush=True)
                if result.violations:
                    broken += 1
                    _report(simulation, result, shorten=args.shorten)
        except (PlanError, UnknownJob) as error:
            print(f"error: {error}", file=sys.stderr)
            return WRONG_USE
    print(f"{count} simulations in {time.monotonic() - began:.0f} s, {broken} with a violation")
    return 1 if broken else 0


def _plans(args: argparse.Namespace, simulation: Simulation) -> Iterator[SimulationPlan]:
    if args.plan:
        yield _keeping(SimulationPlan.read(args.plan, [*simulation.jobs]), args.keep)
        return
    if not 0 < args.days <= 400:
        raise PlanError(f"--days {args.days:g}: it must be more than 0 and at most 400")
    for seed in _seeds(args):
        jobs = _jobs(args.jobs, simulation)
        plan = _keeping(SimulationPlan.draw(seed, args.days, simulation.candidates(), jobs), args.keep)
        if args.write:
            plan.write(args.write)
        yield plan


def _keeping(plan: SimulationPlan, numbers: str | None) -> SimulationPlan:
    if numbers is None:
        return plan
    try:
        return plan.keeping([int(each) for each in numbers.split(",") if each])
    except ValueError as error:
        raise PlanError(f"--keep {numbers}: {error}") from None


def _seeds(args: argparse.Namespace) -> range:
    first, dots, last = (args.seeds or args.seed).partition("..")
    begin = parse_seed(first)
    end = parse_seed(last) if dots else begin
    if end < begin:
        raise PlanError(f"--seeds {args.seeds} has no seed")
    return range(begin, end + 1)


def _jobs(text: str, simulation: Simulation) -> list[str]:
    names = [name for name in text.split(",") if name]
    for name in names:
        if name not in simulation.jobs:
            raise UnknownJob(name, list(simulation.jobs))
        if not simulation.jobs[name].schedules():
            raise PlanError(f"{name} has no schedule; consumers take part in each simulation")
    return names


def _line(result: SimulationResult) -> str:
    plan = result.plan
    end = f"{len(result.violations)} violations" if result.violations else "holds"
    return (
        f"seed {plan.seed}: {end}; {plan.days:g} days, {len(plan.disturbances)} disturbances, "
        f"{result.invocations} invocations, trace {result.digest}"
    )


def _report(simulation: Simulation, result: SimulationResult, *, shorten: bool) -> None:
    for violation in result.violations[:10]:
        print(f"  {violation}")
    print(f"  {replay(result.plan, complete=True)}")
    if not shorten:
        return
    invariant = result.violations[0].invariant

    def fails(numbers: Sequence[int]) -> bool:
        again = simulation.run(result.plan.keeping(numbers))
        return any(each.invariant == invariant for each in again.violations)

    left = minimise([each.number for each in result.plan.disturbances], fails)
    shortened = result.plan.keeping(left)
    print(f"  {len(left)} of {len(result.plan.disturbances)} disturbances are enough:")
    for disturbance in shortened.disturbances:
        print(f"    {disturbance}")
    print(f"  {replay(shortened)}")


def replay(plan: SimulationPlan, *, complete: bool = False) -> str:
    """Return the command that runs a plan again."""
    command = (
        f"python -m proof.simulation --seed {VERSION}:{plan.seed} --days {plan.days:g} --jobs {','.join(plan.jobs)}"
    )
    return command if complete else f"{command} --keep {','.join(str(each.number) for each in plan.disturbances)!r}"


if __name__ == "__main__":
    if os.environ.get(HASH_SEED) != "0":
        os.execve(
            sys.executable, [sys.executable, "-m", "proof.simulation", *sys.argv[1:]], {**os.environ, HASH_SEED: "0"}
        )
    sys.exit(main())
