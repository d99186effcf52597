"""Findings of `preflight` and `doctor`: what is wrong, where, and the fix."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """Whether a finding stops a deployment."""

    REFUSED = "refused"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding of a check."""

    #: Name of the check.
    check: str
    severity: Severity
    #: Stack and resource, or file and line.
    where: str
    problem: str
    fix: str


def refused(check: str, where: str, problem: str, fix: str) -> Finding:
    return Finding(check, Severity.REFUSED, where, problem, fix)


def warning(check: str, where: str, problem: str, fix: str) -> Finding:
    return Finding(check, Severity.WARNING, where, problem, fix)
