"""Figures of one benchmark run.

Stored as JSON beside the pages that show them.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = ROOT / "docs" / "performance"
DATA = PAGES / "data"


@dataclass(slots=True)
class Section:
    """A table with its text.

    `plot` is the name of an SVG beside the page.
    """

    title: str
    text: str
    columns: list[str]
    rows: list[list[str]]
    plot: str = ""


@dataclass(slots=True)
class Figures:
    """Results of one benchmark.

    command: prints these figures again. peers: where another library or design is better, a sentence each.
    """

    name: str
    title: str
    command: str
    text: str
    sections: list[Section] = field(default_factory=list)
    plots: dict[str, str] = field(default_factory=dict)
    peers: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    measured: str = ""
    machine: str = ""

    def store(self) -> int:
        """Store and print the figures.

        Returns the exit code, 1 if a bound was missed.
        """
        self.measured, self.machine = f"{datetime.now(UTC):%Y-%m-%d}", describe_machine()
        DATA.mkdir(parents=True, exist_ok=True)
        (DATA / f"{self.name}.json").write_text(json.dumps(asdict(self), indent=1) + "\n")
        for section in self.sections:
            print(f"\n{section.title}\n{as_text(section.columns, section.rows)}")
        for miss in self.missed:
            print(f"missed: {miss}")
        return 1 if self.missed else 0


def stored() -> list[Figures]:
    """The figures of the last run of each benchmark, by name."""
    return [_load(json.loads(path.read_text())) for path in sorted(DATA.glob("*.json"))]


def describe_machine() -> str:
    """Processors, their share in use, and versions: for people who compare figures."""
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    version = platform.python_version()
    return f"{os.cpu_count()} processors ({platform.machine()}), load {load:.1f} a processor, Python {version}"


def as_text(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    table = [list(columns), *map(list, rows)]
    widths = [max(len(row[number]) for row in table) for number in range(len(columns))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in table)


def _load(data: dict[str, Any]) -> Figures:
    return Figures(**{**data, "sections": [Section(**section) for section in data["sections"]]})
