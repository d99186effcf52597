"""Stored certificates of jobs: results of injected crashes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.deployment import ROOT
from shared.text.untrusted_json import parse_json

FILE = ROOT / "docs" / "reference" / "certificates.json"
# Findings that violate the guarantee.
FAULTS = ("lost", "twice", "divergent", "stuck", "violated", "silent", "false_alerts")


def stored(file: Path = FILE) -> dict[str, dict[str, Any]]:
    """The stored certificates by job; empty without a file."""
    if not file.exists():
        return {}
    found: dict[str, dict[str, Any]] = parse_json(file.read_bytes())
    return found


def holds(certificate: Mapping[str, Any]) -> bool:
    return not any(certificate[name] for name in FAULTS)


def summary(certificate: Mapping[str, Any]) -> str:
    """The result in one sentence."""
    found = ", ".join(f"{certificate[name]} {name.replace('_', ' ')}" for name in FAULTS if certificate[name])
    points = f"{certificate['points']:,} crash points at {certificate['calls']} calls"
    pairs = f" and {certificate['pairs']:,} pairs (seed {certificate['seed']})" if certificate["pairs"] else ""
    rest = f"{certificate['uncertain']} uncertain, {certificate['repeated']} repeated"
    return f"{points}{pairs}, commit {certificate['commit']}: {found or 'no violation'}; {rest}."
