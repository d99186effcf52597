"""Prove several jobs, each in one of some processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed

from cli import certificates
from proof.certificate import Certificate, Tried, commit
from proof.crash.prover import Prover
from proof.crash.sampling import Scope

# The prover of this worker process; it ends with the process.
_PROVER: list[Prover] = []


def prove_all(names: Sequence[str], scope: Scope, processes: int) -> Iterator[Certificate]:
    """Prove jobs, the certificates in the order in which they are ready."""
    if processes <= 1 or len(names) == 1:
        with Prover() as prover:
            yield from (_prove(prover, name, scope) for name in names)
        return
    # New processes: threads of this one would not survive in a copy.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, _begin) as pool:
        submitted = [pool.submit(_prove_in_worker, name, scope) for name in names]
        yield from (future.result() for future in as_completed(submitted))


def _begin() -> None:
    _PROVER.append(Prover().__enter__())


def _prove_in_worker(name: str, scope: Scope) -> Certificate:
    return _prove(_PROVER[0], name, scope)


def _prove(prover: Prover, name: str, scope: Scope) -> Certificate:
    job = prover.jobs[name]
    _, calls = prover.undisturbed(job)
    tried = Tried(name, commit(), certificates.code_digest(job), scope.seed)
    return Certificate.of(tried, len(calls), prover.prove(job, scope))
