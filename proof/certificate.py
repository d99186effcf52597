"""Certificate of a job: what was tried, and what was found."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from infra.certificates import FAULTS, FILE
from infra.certificates import stored as stored_certificates
from proof.crash.prover import Plan

# Violations listed in a certificate; the counts have all.
EXAMPLES = 5
COUNTED = ("points", "pairs", *FAULTS, "uncertain", "repeated")


@dataclass(frozen=True, slots=True)
class Tried:
    """Code and seed of the plans of a job."""

    job: str
    #: Commit of the code that was tried.
    commit: str
    #: Digest of the job's code, see `certificates.code_digest`.
    code: str
    #: Seed of samples and pairs.
    seed: int


@dataclass(frozen=True, slots=True)
class Certificate:
    """Result of the crash points of one job."""

    job: str
    #: Calls of the undisturbed run.
    calls: int
    #: Crash points tried.
    points: int
    #: Pairs of faults tried.
    pairs: int
    lost: int
    twice: int
    divergent: int
    stuck: int
    violated: int
    silent: int
    false_alerts: int
    #: Plans after which an operator has to look up an effect.
    uncertain: int
    #: Plans after which a receiver gets an effect again, with the key of the first one.
    repeated: int
    commit: str
    code: str
    seed: int
    #: Plans that violate the guarantee, as `--point` takes them, with the first finding.
    violations: Mapping[str, str] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        return not any(getattr(self, name) for name in FAULTS)

    @classmethod
    def of(cls, tried: Tried, calls: int, plans: Iterable[Plan]) -> Certificate:
        """Count the verdicts of a job's plans."""
        counts: Counter[str] = Counter()
        violations: dict[str, str] = {}
        for plan in plans:
            counts["pairs" if plan.point.then_kind else "points"] += 1
            faults = plan.verdict.faults()
            counts.update(faults.keys())
            counts["uncertain"] += bool(plan.verdict.uncertain)
            counts["repeated"] += bool(plan.verdict.repeated)
            if faults and len(violations) < EXAMPLES:
                name, found = next(iter(faults.items()))
                violations[str(plan.point)] = f"{plan.call}: {name}: {found[0][:300]}"
        numbers = {name: counts[name] for name in COUNTED}
        return cls(
            job=tried.job,
            calls=calls,
            commit=tried.commit,
            code=tried.code,
            seed=tried.seed,
            violations=violations,
            **numbers,
        )


def write_all(proven: Iterable[Certificate], file: Path = FILE) -> None:
    """Store certificates; those of other jobs stay."""
    stored = stored_certificates(file) | {each.job: asdict(each) for each in proven}
    file.write_text(json.dumps(dict(sorted(stored.items())), indent=1) + "\n", encoding="utf-8")


def commit() -> str:
    """The commit of this checkout; `unknown` without git."""
    folder = FILE.parent
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"], cwd=folder, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return answer.stdout.strip()
