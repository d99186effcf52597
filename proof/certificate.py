"""Certificate of a job: what was tried, and what was found."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from proof.crash.prover import Plan

FILE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "certificates.json"
# Violations listed in a certificate; the counts have all.
EXAMPLES = 5
FAULTS = ("lost", "twice", "divergent", "stuck", "violated", "silent", "false_alerts")


@dataclass(frozen=True, slots=True)
class Certificate:
    """Result of all crash points of one job."""

    job: str
    #: Calls of the undisturbed run.
    calls: int
    #: Crash points tried.
    points: int
    lost: int
    twice: int
    divergent: int
    stuck: int
    violated: int
    silent: int
    false_alerts: int
    #: Points after which an operator has to look up an effect.
    uncertain: int
    #: Points after which a receiver gets an effect again, with the key of the first one.
    repeated: int
    #: Commit of the code that was tried.
    commit: str
    #: Crash points that violate the guarantee, as `prove JOB --point` takes them, with the first finding.
    violations: Mapping[str, str] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        return not any(getattr(self, name) for name in FAULTS)

    @classmethod
    def of(cls, job: str, calls: int, plans: Iterable[Plan], commit: str) -> Certificate:
        """Count the verdicts of a job's plans."""
        counts: Counter[str] = Counter()
        violations: dict[str, str] = {}
        for plan in plans:
            counts["points"] += 1
            faults = plan.verdict.faults()
            counts.update(faults.keys())
            counts["uncertain"] += bool(plan.verdict.uncertain)
            counts["repeated"] += bool(plan.verdict.repeated)
            if faults and len(violations) < EXAMPLES:
                name, found = next(iter(faults.items()))
                violations[str(plan.point)] = f"{plan.call}: {name}: {found[0][:300]}"
        numbers = {name: counts[name] for name in ("points", *FAULTS, "uncertain", "repeated")}
        return cls(job=job, calls=calls, commit=commit, violations=violations, **numbers)


def read_all(file: Path = FILE) -> dict[str, dict[str, Any]]:
    """The stored certificates by job; empty without a file."""
    if not file.exists():
        return {}
    stored: dict[str, dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
    return stored


def write_all(certificates: Iterable[Certificate], file: Path = FILE) -> None:
    """Store certificates; those of other jobs stay."""
    stored = read_all(file) | {each.job: asdict(each) for each in certificates}
    file.write_text(json.dumps(dict(sorted(stored.items())), indent=1) + "\n", encoding="utf-8")


def commit() -> str:
    """The commit of this checkout; `unknown` without git."""
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"], cwd=FILE.parent, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return answer.stdout.strip()
