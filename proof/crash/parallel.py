"""Prove several jobs, each in one of some processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed

from proof.certificate import Certificate, commit
from proof.crash.prover import Prover

# The prover of this worker process; it ends with the process.
_PROVER: list[Prover] = []


def prove_all(names: Sequence[str], processes: int) -> Iterator[Certificate]:
    """Prove jobs, the certificates in the order in which they are ready."""
    if processes <= 1 or len(names) == 1:
        with Prover() as prover:
            yield from (_prove(prover, name) for name in names)
        return
    # New processes: threads of this one would not survive in a copy.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, _begin) as pool:
        yield from (future.result() for future in as_completed([pool.submit(_prove_in_worker, name) for name in names]))


def _begin() -> None:
    _PROVER.append(Prover().__enter__())


def _prove_in_worker(name: str) -> Certificate:
    return _prove(_PROVER[0], name)


def _prove(prover: Prover, name: str) -> Certificate:
    job = prover.jobs[name]
    _, calls = prover.undisturbed(job)
    return Certificate.of(name, len(calls), prover.prove(job), commit())
