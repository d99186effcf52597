"""Store the figures of least privilege: `python -m proof.permissions [JOB ...]`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from cli.generate.permissions_page import FIGURES
from proof.crash.prover import Prover
from proof.permissions.usage import usages


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m proof.permissions", description=__doc__)
    parser.add_argument("jobs", nargs="*", metavar="JOB", help="jobs to play (default: all)")
    args = parser.parse_args(arguments)
    stored = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    faults = 0
    with Prover() as prover:
        for found in usages(prover, [prover.jobs[name] for name in args.jobs or prover.jobs]):
            unused = found.unused()
            stored[found.job] = {
                "calls": found.calls,
                "denied": len(found.denied),
                "statements": len(found.allowing),
                "used": len(found.allowing) - len(unused),
                "unused": unused,
            }
            problems = [*(f"denied: {line}" for line in sorted(found.denied))]
            problems += [f"unused: {line}" for line, why in unused.items() if not why]
            faults += len(problems)
            print(f"{found.job:40} {found.calls:6,} calls", *problems, sep="\n  ", flush=True)
    current = {name: stored[name] for name in sorted(stored) if name in prover.jobs}
    FIGURES.write_text(json.dumps(current, indent=1) + "\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
