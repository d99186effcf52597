"""Storms on the local cloud: `make storm`, or `python -m proof.storm`."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

from local.engine.engine import ROOT
from proof.storm import findings, storm_cloud
from proof.storm.findings import Findings
from proof.storm.receivers import Receivers
from proof.storm.storms import STORMS, Size, Storm
from proof.storm.work import Work

WRONG_USE = 2
# Folder of the deployment that each run copies.
BASE = ROOT / ".local" / "storm"
# Seconds until everything must be quiet: the retries of a webhook take 8 minutes.
SETTLE = 900.0
COLUMNS = ("storm", "disturbed", "work", "runs", "lost", "twice", "stuck", "silent", "uncertain", "repeated", "dead")


def parser() -> argparse.ArgumentParser:
    size, made = Size(), argparse.ArgumentParser(prog="python -m proof.storm", description=__doc__)
    made.add_argument("storms", nargs="*", metavar="STORM", help=f"{', '.join(STORMS)} (default: all of them)")
    made.add_argument("--seed", type=int, default=1, metavar="N", help="seed of times and faults (default: 1)")
    made.add_argument("--kills", type=int, default=size.kills, metavar="N", help="kill -9 (default: %(default)s)")
    made.add_argument(
        "--duplicates", type=int, default=size.duplicates, metavar="N", help="of one tick (default: %(default)s)"
    )
    made.add_argument(
        "--pieces", type=int, default=size.pieces, metavar="N", help="work under faults (default: %(default)s)"
    )
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    args = parser().parse_args(arguments)
    if unknown := [name for name in args.storms if name not in STORMS]:
        print(f"error: no storm {unknown[0]!r}; there are: {', '.join(STORMS)}", file=sys.stderr)
        return WRONG_USE
    if min(args.kills, args.duplicates, args.pieces) < 1:
        print("error: --kills, --duplicates and --pieces must be at least 1", file=sys.stderr)
        return WRONG_USE
    size = Size(duplicates=args.duplicates, kills=args.kills, pieces=args.pieces)
    storm_cloud.deploy(BASE, print)
    with tempfile.TemporaryDirectory(prefix="nightshift-storm-") as folder:
        violations = weather(BASE, Path(folder) / "cloud", args.storms or [*STORMS], size, args.seed)
    print(f"{len(violations)} violations, seed {args.seed}")
    return 1 if violations else 0


def weather(base: Path, folder: Path, names: Sequence[str], size: Size, seed: int) -> list[str]:
    """Run storms, and examine the cloud after each.

    Returns the violations.
    """
    violations: list[str] = []
    with Receivers() as receivers, storm_cloud.running(base, folder, receivers.settings(), seed) as cloud:
        work = Work(cloud, receivers, seed)
        work.begin()
        storm = Storm(cloud, work, size, Random(seed))
        print(_line(COLUMNS), flush=True)
        for name in names:
            began = time.monotonic()
            disturbed = STORMS[name](storm)
            settled = storm.settle(SETTLE)
            found = findings.examine(work)
            if not settled:
                found.stuck.append(f"{cloud.waiting()} messages and {work.queued()} mails wait after {SETTLE:.0f} s")
            print(_row(name, disturbed, work, found), f" {time.monotonic() - began:.0f} s", flush=True)
            of_storm = [*storm.violations, *found.violations()]
            storm.violations.clear()
            for text in of_storm:
                print(f"  {text}", flush=True)
            violations += of_storm
    return violations


def _row(name: str, disturbed: str, work: Work, found: Findings) -> str:
    runs = sum(findings.outcomes(work).values())
    lists = (found.lost, found.twice, found.stuck, found.silent)
    counts = (*map(len, lists), found.uncertain, found.repeated, found.dead)
    return _line((name, disturbed, len(work.sent), runs, *counts))


def _line(cells: Sequence[object]) -> str:
    name, disturbed, *counts = cells
    return f"{name:<12}{disturbed:<36}" + "".join(f"{count:>10}" for count in counts)


if __name__ == "__main__":
    sys.exit(main())
