"""Mutate the core and count survivors: `make mutants`, or `python -m proof.mutants`."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from random import Random

from proof.mutants.equivalents import EQUIVALENT
from proof.mutants.judge import ROOT, Fate, file_of, judge, preload, prover, tests
from proof.mutants.mutation import Mutant, mutants_of

WRONG_USE = 2
PACKAGES = ("shared.run", "shared.store", "shared.messages", "shared.archetypes")
# A mutant is endless after five times the seconds of the original, and thirty more.
PATIENCE, GRACE = 5, 30
# Seconds for the prover, which all jobs share.
PROVER_SECONDS = 1800
MAPPING = """
import json, sys
from tests.contract.test_mirror import COVERED_BY, mirror_of
json.dump({name: COVERED_BY.get(name, mirror_of(name)) for name in sys.argv[1:]}, sys.stdout)
"""


@dataclass(slots=True)
class Judged:
    """The mutants of one module by their fate."""

    module: str
    fates: dict[str, Fate] = field(default_factory=dict)
    survivors: list[Mutant] = field(default_factory=list)
    equivalent: int = 0

    def line(self) -> str:
        killed = len(self.fates) - len(self.survivors) - self.equivalent
        return f"{self.module:<44}{len(self.fates):>8}{killed:>8}{self.equivalent:>12}{len(self.survivors):>10}"


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m proof.mutants", description=__doc__)
    made.add_argument("modules", nargs="*", metavar="MODULE", help="modules or packages (default: the core)")
    made.add_argument("--sample", type=int, metavar="N", help="mutants of each module, by the seed (default: all)")
    made.add_argument("--seed", type=int, default=1, metavar="S", help="seed of the sample (default: 1)")
    made.add_argument("--prove", type=int, metavar="N", help="run the prover on survivors, with N crash points a job")
    made.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="processes (default: one per core)")
    made.add_argument("--list", action="store_true", help="print the mutants, and judge none")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    args = parser().parse_args(arguments)
    try:
        chosen = {module: _chosen(module, args) for name in args.modules or PACKAGES for module in modules_of(name)}
    except LookupError as error:
        print(f"error: {error}", file=sys.stderr)
        return WRONG_USE
    if args.list:
        for mutant in (each for mutants in chosen.values() for each in mutants):
            print(f"{mutant.line:>5}  {mutant.name}")
        return 0
    preload()
    files = test_files([*chosen])
    print(f"{'module':<44}{'mutants':>8}{'killed':>8}{'equivalent':>12}{'survived':>10}")
    survived = 0
    for module, mutants in chosen.items():
        judged = judge_module(module, mutants, files[module], args.processes, args.prove)
        print(judged.line(), flush=True)
        for mutant in judged.survivors:
            print(f"    {file_of(module).relative_to(ROOT)}:{mutant.line}  {mutant.name}", flush=True)
        survived += len(judged.survivors)
    return _report(chosen, survived, complete=not args.modules and not args.sample)


def _report(chosen: dict[str, list[Mutant]], survived: int, *, complete: bool) -> int:
    names = {mutant.name for mutants in chosen.values() for mutant in mutants}
    stale = sorted(EQUIVALENT.keys() - names) if complete else []
    for name in stale:
        print(f"equivalents.py names a mutant that does not exist: {name}")
    print(f"{sum(map(len, chosen.values()))} mutants, {survived} survived")
    return 1 if survived or stale else 0


def judge_module(
    module: str, mutants: Sequence[Mutant], test_file: str, processes: int, prove: int | None = None
) -> Judged:
    """Judge mutants by the tests of their module.

    prove: crash points of each job by which the prover judges survivors.
    """
    judged = Judged(module)
    run = partial(tests, [str(ROOT / test_file)])
    fate, seconds = judge(None, run, PROVER_SECONDS)
    if mutants and fate is not Fate.SURVIVED:
        raise RuntimeError(f"{test_file} fails without a mutant; run it first")
    limit = PATIENCE * seconds + GRACE
    with ThreadPoolExecutor(processes) as pool:
        fates = pool.map(lambda mutant: judge(mutant, run, limit)[0], mutants)
        judged.fates = {_key(mutant): fate for mutant, fate in zip(mutants, fates, strict=True)}
    for mutant in mutants:
        if judged.fates[_key(mutant)] is not Fate.SURVIVED:
            continue
        if mutant.name in EQUIVALENT:
            judged.equivalent += 1
        elif prove and judge(mutant, partial(prover, prove), PROVER_SECONDS)[0] is Fate.KILLED:
            judged.fates[_key(mutant)] = Fate.KILLED
        else:
            judged.survivors.append(mutant)
    return judged


def _key(mutant: Mutant) -> str:
    return f"{mutant.start} {mutant.end} {mutant.after}"


def _chosen(module: str, args: argparse.Namespace) -> list[Mutant]:
    found = mutants_of(module, file_of(module).read_bytes())
    if args.sample and args.sample < len(found):
        drawn = Random(f"{args.seed} {module}").sample(found, args.sample)
        return sorted(drawn, key=lambda each: each.start)
    return found


def modules_of(name: str) -> Iterator[str]:
    """Yield a module, or the modules of a package. Raises LookupError."""
    file = file_of(name)
    if file.name != "__init__.py":
        yield name
        return
    for path in sorted(file.parent.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_files(modules: Sequence[str]) -> dict[str, str]:
    """Test file of each module, as tests/contract/test_mirror.py maps them.

    In another process: this one must not import the modules that it mutates.
    """
    command = [sys.executable, "-c", MAPPING, *modules]
    found = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    mapping: dict[str, str] = json.loads(found)
    return {module: file for module, file in mapping.items() if (ROOT / file).exists()}


if __name__ == "__main__":
    sys.exit(main())
