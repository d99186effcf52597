"""Use of a role by its job.

Calls that the role denies, and statements that no call used.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from infra import job_permissions
from infra.deployment import Deployment
from infra.platform import on_this_machine
from infra.roles import Statement
from proof.crash.known_states import StateKnown
from proof.crash.prover import Prover
from proof.permissions.policy import Permission, allowing
from proof.permissions.reasons import expected, reason
from proof.permissions.requests import accesses
from proof.world.fault import CrashPoint, FaultKind
from proof.world.memory_clients import MemoryClient
from shared.archetypes.consumer import Consumer
from shared.job.definition import Job

# Faults whose runs take the paths of failures: another attempt, a dead letter, an expired lease.
FAULTS = (FaultKind.DIES_AFTER, FaultKind.FAILS_1S)
# Calls of a run that meet one, spread over the run.
POINTS = 2
Call = tuple[str, str, Mapping[str, Any]]


@dataclass(slots=True)
class RoleUsage:
    """Calls of one job under its role."""

    job: str
    statements: list[Statement]
    calls: int = 0
    #: Accesses that no statement allows, as text.
    denied: set[str] = field(default_factory=set)
    used: set[Permission] = field(default_factory=set)

    @property
    def allowing(self) -> list[int]:
        """Numbers of the statements that allow something."""
        return [number for number, each in enumerate(self.statements) if each["Effect"] == "Allow"]

    def unused(self) -> dict[str, str]:
        """Lines of the statements that no call used, each with its reason."""
        used = {each.statement for each in self.used}
        rest = [self.statements[number] for number in self.allowing if number not in used]
        return {line: reason(line) for line in map(text_of, rest)}

    def add(self, deployment: Deployment, call: Call) -> None:
        self.calls += 1
        for access in accesses(deployment.names, *call):
            found = allowing(self.statements, access)
            self.used.update(found)
            text = f"{access.action} {access.resource} {dict(access.context) or ''}".strip()
            if not found and not expected(text):
                self.denied.add(text)


def text_of(statement: Statement) -> str:
    """Actions, resources and conditions in one line."""
    resources = [text.rpartition(":")[2] for text in statement["Resource"]]
    conditions = [f"{key} {values}" for each in statement.get("Condition", {}).values() for key, values in each.items()]
    return " ".join([",".join(statement["Action"]), "on", ", ".join(resources), *conditions])


def usages(prover: Prover, jobs: Iterable[Job]) -> Iterator[RoleUsage]:
    """Play each job in the world, under its role."""
    names, environment = prover.world.names, prover.world.environment
    deployment = Deployment(names, prover.jobs, on_this_machine(), environment)
    for job in jobs:
        found = RoleUsage(job.name, job_permissions.allowed(job, deployment))
        with recorded(job.name) as calls:
            play(prover, job)
        for call in calls:
            found.add(deployment, call)
        yield found


def play(prover: Prover, job: Job) -> None:
    """Play the scenario undisturbed, with faults, and with errors of the job."""
    expected, calls = prover.undisturbed(job)
    for number in {1 + len(calls) * part // POINTS for part in range(POINTS)} if calls else ():
        for kind in FAULTS:
            prover.judge(job, CrashPoint(number, kind), expected)
    with failing(job), suppress(StateKnown):
        prover.undisturbed(job, may_fail=True)


@contextmanager
def failing(job: Job) -> Iterator[None]:
    """Let each attempt fail: of a consumer those of its messages."""
    name = "handle" if isinstance(job, Consumer) else "work"
    work = getattr(type(job), name)

    def fail(*_: object) -> None:
        raise RuntimeError("an error of the job's code")

    setattr(type(job), name, fail)
    try:
        yield
    finally:
        setattr(type(job), name, work)


@contextmanager
def recorded(job: str) -> Iterator[list[Call]]:
    """Calls of the job's processes while the block lasts."""
    calls: list[Call] = []
    perform = MemoryClient._perform

    def recording(self: MemoryClient, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        if self._cloud.process.job == job:
            calls.append((self._service, operation, request))
        return perform(self, operation, request)

    MemoryClient._perform = recording  # type: ignore[method-assign]
    try:
        yield calls
    finally:
        MemoryClient._perform = perform  # type: ignore[method-assign]
