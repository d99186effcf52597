"""Run the threads of jobs one after the other: plans are deterministic."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from shared import concurrency
from shared.job import manifest
from shared.job.manifest import Entry
from shared.run import work

if TYPE_CHECKING:
    from proof.world.world import World
    from shared.job.definition import Job


class InlineThread:
    """A thread that runs at its start."""

    def __init__(self, target: Callable[..., None], args: tuple[Any, ...] = (), **_: Any) -> None:
        self.target, self.args = target, args

    def start(self) -> None:
        self.target(*self.args)


@contextmanager
def in_one_thread(world: World) -> Iterator[None]:
    """Run fan-outs and thread pools of this thread inline.

    Deadlines follow the world's clock.
    """
    driver, submit = threading.current_thread(), ThreadPoolExecutor.submit

    def inline(self: ThreadPoolExecutor, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if threading.current_thread() is not driver:
            return submit(self, fn, *args, **kwargs)
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - as the executor does: the caller of `result` gets it
            future.set_exception(error)
        return future

    replaced = (
        (ThreadPoolExecutor, "submit", inline),
        (work, "within", lambda seconds: world.processes[-1].within(seconds)),
        (concurrency, "threading", SimpleNamespace(Thread=InlineThread, Condition=threading.Condition)),
    )
    with ExitStack() as restored:
        for owner, name, value in replaced:
            restored.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, value)
        yield


@contextmanager
def only_job(job: Job, watchers: Iterable[str]) -> Iterator[None]:
    """Limit the manifest to this job, the consumers and the watchers.

    Ticks of other jobs are not planned, and would be missed. So would those of watchers, which have no schedules here.
    """
    load = manifest.load
    entries: dict[str, Entry] = {
        name: entry if name == job.name else {**entry, "schedules": []}
        for name, entry in load().items()
        if name == job.name or name in watchers or entry["queue"]
    }
    manifest.load = lambda: entries  # type: ignore[assignment]
    try:
        yield
    finally:
        manifest.load = load
