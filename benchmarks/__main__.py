"""Run all benchmarks of documented figures, one after the other.

    python -m benchmarks [NAME ...]

They take about ten minutes on an otherwise idle machine. Exit code 1 if a bound is missed; the last line names the
benchmarks that missed one.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
NAMES = tuple(sorted(path.stem for path in HERE.glob("[!_]*.py")))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)} (default: all)")
    names = parser.parse_args().names
    if unknown := set(names) - set(NAMES):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    missed = []
    for name in names or NAMES:
        print(f"==> {name}", flush=True)
        began = time.monotonic()
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], cwd=HERE.parent, check=False).returncode:
            missed.append(name)
        print(f"    {time.monotonic() - began:.0f} s\n", flush=True)
    print(f"missed their bounds: {', '.join(missed)}" if missed else "all bounds hold")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
