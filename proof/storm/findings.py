"""Invariants after a storm: nothing lost, nothing twice, nothing silent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from proof.storm.storm_cloud import SWEEP
from proof.storm.work import FEATURE, PieceOfWork, Work
from shared.store import keys
from shared.tables import FAILURES, METERS, NOTIFICATIONS, STATE, TRAIL

Row = Mapping[str, Any]


@dataclass(slots=True)
class Findings:
    """Violations by invariant, and counts of other effects."""

    #: Work without a result that is no dead letter and not uncertain.
    lost: list[str] = field(default_factory=list)
    #: Effects with several keys, and counters that differ from their batches.
    twice: list[str] = field(default_factory=list)
    #: Leases that are still held, and messages and mails that wait.
    stuck: list[str] = field(default_factory=list)
    #: Runs without a row in the history, bad rows that the index of failures lacks, a status that hides a failure.
    silent: list[str] = field(default_factory=list)
    #: Effects that arrived again with the same key.
    repeated: int = 0
    uncertain: int = 0
    dead: int = 0

    def violations(self) -> list[str]:
        lists = {"lost": self.lost, "twice": self.twice, "stuck": self.stuck, "silent": self.silent}
        return [f"{name}: {text}" for name, found in lists.items() for text in found]


def examine(work: Work) -> Findings:
    """Examine all sent work and the rows of the jobs."""
    findings, cloud = Findings(), work.cloud
    state = cloud.rows(STATE)
    excused = "\n".join(str(row) for row in state if row["pk"].startswith(("dead#", "uncertain#")))
    excused += "\n".join(_payloads(work, state))
    findings.dead = sum(row["pk"].startswith("dead#") for row in state)
    findings.uncertain = sum(row["pk"].startswith("uncertain#") for row in state)
    trail = {row.get("id") for row in cloud.rows(TRAIL)}
    meters = cloud.rows(METERS)
    counted = {row["pk"].rpartition("#")[2] for row in meters if "#batch#" in row["pk"]}
    states = {row["pk"]: row["state"] for row in cloud.rows(NOTIFICATIONS)}
    for piece in work.sent:
        missing = [
            *(["usage"] if piece.mark not in counted else []),
            *(["audit"] if piece.mark not in trail else []),
            *_outside(work, piece, findings),
        ]
        if missing and piece.mark not in excused:
            findings.lost.append(f"{piece.mark}: {', '.join(missing)}")
        if states.get(piece.mark) == "queued" and piece.mark not in excused:
            findings.stuck.append(f"{piece.mark}: its mail is still queued")
    _compare_counters(findings, work.sent, counted, meters)
    _examine_leases(findings, state)
    _examine_history(findings, work, state)
    return findings


def _payloads(work: Work, state: Iterable[Row]) -> Iterable[str]:
    """Contents of the dead letters, which are objects."""
    objects, bucket = work.cloud.cloud.client("s3"), work.cloud.names.bucket
    for row in state:
        if row["pk"].startswith("dead#") and row.get("payload"):
            yield objects.get_object(Bucket=bucket, Key=row["payload"])["Body"].read().decode(errors="replace")


def _outside(work: Work, piece: PieceOfWork, findings: Findings) -> list[str]:
    missing = []
    for kind, to in (("request", piece.path), ("mail", piece.address)):
        arrived = work.receivers.keys(kind, to)
        if not arrived:
            missing.append(kind)
        if len(arrived) > 1:
            findings.twice.append(f"{piece.mark}: {len(arrived)} times as a {kind}, each with its own key")
        findings.repeated += sum(count - 1 for count in arrived.values())
    return missing


def _compare_counters(
    findings: Findings, sent: Iterable[PieceOfWork], counted: set[str], meters: Iterable[Row]
) -> None:
    expected = sum(piece.units for piece in sent if piece.mark in counted)
    months = [row for row in meters if "#month#" in row["pk"]]
    found = sum(row.get(f"{row['pk'].rpartition('#')[2]}#{FEATURE}", 0) for row in months)
    if found != expected:
        findings.twice.append(f"{len(counted)} counted batches have {expected} units, the counters have {found}")


def _examine_leases(findings: Findings, state: Iterable[Row]) -> None:
    for row in state:
        if "holder" in row:
            findings.stuck.append(f"{row['pk']} {row['sk']}: run {row['holder']} still has the lease")


def _examine_history(findings: Findings, work: Work, state: Sequence[Row]) -> None:
    history = {row["sk"]: row for row in state if row["pk"].startswith("runs#") and "outcome" in row}
    for line in work.cloud.log_lines():
        if line.get("message") == f"{SWEEP}_started" and line["jobId"] not in history:
            findings.silent.append(f"run {line['jobId']} of {SWEEP} has no row in the history")
    for run, row in history.items():
        if not row["ok"] and FAILURES.pk not in row:
            findings.silent.append(f"run {run} ended {row['outcome']} and is not in the index of failures")
    last = max((row for row in history.values() if row["job"] == SWEEP and _claimed(row)), key=_end, default=None)
    claim = next((row for row in state if row["pk"] == keys.claims(SWEEP) and "fence" in row), {})
    if last and not last["ok"] and claim.get("status", {}).get("ok"):
        findings.silent.append(f"the last run of {SWEEP} ended {last['outcome']}, and its status is good")


def _claimed(row: Row) -> bool:
    return row["outcome"] not in ("skipped", "locked", "deduplicated", "superseded", "snoozed")


def _end(row: Row) -> str:
    return str(row["started"])


def outcomes(work: Work) -> Counter[str]:
    """Runs of the sweep by their outcome."""
    rows = work.cloud.rows(STATE)
    return Counter(row["outcome"] for row in rows if row["pk"].startswith(f"runs#{SWEEP}#") and "outcome" in row)
