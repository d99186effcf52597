"""A job's declaration: all that must be known of it without running it."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from shared import backoff, permissions, settings
from shared.backoff import Policy
from shared.idempotency import Idempotency
from shared.outcome import Outcome
from shared.permissions import Grant
from shared.schedule import Schedule
from shared.settings import Setting

if TYPE_CHECKING:
    from shared.tick import Tick

STATE = "state"
FIRINGS = "firings"
DEAD = "firings-dlq"
NO_TARGET = "-"
# A run that is reaped by its own deadline needs this long to write its outcome before Lambda's axe falls.
FAREWELL = 5
# Firings of one chain: attempts and parts cost two hops each, and Lambda cuts the chain at about 16.
MOST_HOPS = 14
RETENTION = ("high-volume", "standard", "critical")
COMMANDS = frozenset(
    "list test runs why status apply pause resume dead crontab env heatmap doctor drift preflight cost queues logs "
    "mail load seed worker up top new".split()
)


class DeclarationError(Exception):
    """A declaration that is refused; the message says where and what to do."""


class Job:
    """What every job declares. `work` is the only line of it that a run calls.

    timeout: seconds that Lambda allows, 10 to 900; work gets 5 fewer. memory: MB, 128 to 10,240.
    cap: the most items one run works on; `<ENV>_MAX_RUNS_PER_TICK` overrides it.
    key: the status key is `<key>:last:<target>`. env: prefix of the job's settings.
    grace: seconds after its time at which a tick is no longer run but recorded `late`; None runs it however late.
    costly: off in production until `<ENV>_ENABLE=true`. queue: logical name, for consumers; what it gives up goes to
    dead_letter_queue, `<queue>-dlq` where none is named. collector: takes the dead letters of every other consumer.
    """

    name: ClassVar[str] = ""
    group: ClassVar[str] = ""
    module: ClassVar[str] = ""
    key: ClassVar[str] = ""
    env: ClassVar[str] = ""

    schedule: ClassVar[Schedule | tuple[Schedule, ...] | None] = None
    queue: ClassVar[str | None] = None
    dead_letter_queue: ClassVar[str | None] = None
    collector: ClassVar[bool] = False
    idempotency: ClassVar[Idempotency | None] = None
    retry: ClassVar[Policy] = backoff.DEFAULT
    timeout: ClassVar[int] = 300
    memory: ClassVar[int] = 256
    cap: ClassVar[int] = 1000
    shards: ClassVar[int] = 1
    grace: ClassVar[int | None] = None
    costly: ClassVar[bool] = False
    retention: ClassVar[str] = "standard"
    permissions: ClassVar[tuple[Grant, ...]] = ()
    settings: ClassVar[tuple[Setting, ...]] = ()
    libraries: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, *, archetype: bool = False) -> None:
        super().__init_subclass__()
        cls.archetype = archetype  # type: ignore[attr-defined]
        if archetype:
            return
        own = cls.__dict__
        cls.module = cls.__module__
        cls.group = own.get("group") or cls.__module__.split(".")[-2] if "." in cls.__module__ else "none"
        cls.name = own.get("name") or cls.__module__.rpartition(".")[2].replace("_", "-")
        cls.key = own.get("key") or cls.name
        cls.env = own.get("env") or cls.name.upper().replace("-", "_")
        problem = next(problems(cls), None)
        if problem:
            raise DeclarationError(f"{where(cls)}: {problem}")

    def work(self, tick: Tick) -> Outcome:
        """Do one run's worth of work. Raise Rejected where no retry can help; raise anything else to be retried."""
        raise NotImplementedError

    def plan(self, tick: Tick) -> list[str]:
        """What `work` would do, a line each; touches nothing. `--dry-run` prints it."""
        return [f"run {self.name}; it declares no plan of its own"]

    @classmethod
    def schedules(cls) -> tuple[Schedule, ...]:
        if cls.schedule is None:
            return ()
        return cls.schedule if isinstance(cls.schedule, tuple) else (cls.schedule,)

    @classmethod
    def dead_queue(cls) -> str | None:
        return cls.dead_letter_queue or (f"{cls.queue}-dlq" if cls.queue else None)

    @classmethod
    def purpose(cls) -> str:
        return (inspect.getdoc(cls) or "").partition("\n")[0]

    @classmethod
    def all_settings(cls) -> tuple[Setting, ...]:
        """The gates that every job has, then its own."""
        gates = (
            settings.flag(f"{cls.env}_ENABLE", not cls.costly, f"Whether {cls.name} runs at all"),
            settings.count(f"{cls.env}_MAX_RUNS_PER_TICK", cls.cap, f"The most items one run of {cls.name} works on"),
        )
        return (*gates, *cls.settings)

    @classmethod
    def grants(cls) -> tuple[Grant, ...]:
        """The job's own permissions and those that every run needs for its state, history, artifacts and retries."""
        rows = (f"{cls.key}:last", f"runs#{cls.name}#*", f"manual#{cls.name}", f"checkpoint#{cls.name}")
        return (
            permissions.read_rows(STATE, *rows),
            permissions.write_rows(STATE, *rows),
            permissions.read_objects(f"{cls.name}/*"),
            permissions.write_objects(f"{cls.name}/*"),
            permissions.send(FIRINGS),
            permissions.send(DEAD),
            *cls.permissions,
        )


def where(cls: type) -> str:
    """`functions/sites/pricing.py:12 Pricing`."""
    try:
        file = Path(inspect.getfile(cls))
        parts = file.parts
        shown = "/".join(parts[parts.index("functions") :]) if "functions" in parts else file.name
        text = file.read_text()
        found = re.search(rf"^\s*class {cls.__name__}\b", text, re.MULTILINE)
        line = text.count("\n", 0, found.start() + len(found[0])) + 1 if found else 1
        return f"{shown}:{line} {cls.__name__}"
    except (OSError, TypeError):
        return f"{cls.__module__}.{cls.__name__}"


def problems(cls: type[Job]) -> Any:
    """Every reason to refuse this declaration, as sentences."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", cls.name):
        yield f"the name {cls.name!r} must be lower-case words joined by hyphens, at most 40 characters"
    if len(cls.name) > 40:
        yield f"the name {cls.name!r} is {len(cls.name)} characters; a function's name allows 40 beside the prefix"
    if cls.name in COMMANDS:
        yield f"a job may not be named {cls.name!r}: that is a command of jobs.py; rename the module"
    if not cls.purpose() or cls.__doc__ is None:
        yield "has no docstring; its first line is the job's purpose"
    if cls.idempotency is None:
        yield "declares no idempotency; say natural(...), upsert(...), keyed(...), flag_check(...) or version_check(...)"
    if cls.cap < 1:
        yield f"cap is {cls.cap}; a run must be allowed at least 1 item"
    if not 10 <= cls.timeout <= 900:
        yield f"timeout is {cls.timeout} s; Lambda allows 900 and a run needs 10"
    if not 128 <= cls.memory <= 10_240:
        yield f"memory is {cls.memory} MB; Lambda allows 128 to 10240"
    if cls.shards < 1:
        yield f"shards is {cls.shards}; it must be at least 1"
    if cls.retention not in RETENTION:
        yield f"retention is {cls.retention!r}; one of {', '.join(RETENTION)}"
    if max(cls.retry.delays, default=0) > backoff.LONGEST_RUN_DELAY:
        yield f"retry waits {max(cls.retry.delays)} s; a queue delays by 900 at most. Keep such items with a due time"
    if hops(cls.retry.attempts) > MOST_HOPS:
        yield f"retry has {cls.retry.attempts} attempts, a chain of {hops(cls.retry.attempts)} hops; {MOST_HOPS} at most"
    if cls.queue is not None and cls.schedules():
        yield "declares a queue and a schedule; a job is driven by one of them"
    if "work" not in {name for base in cls.__mro__ if base is not Job for name in vars(base)}:
        yield "has no work(tick)"


def hops(attempts: int) -> int:
    """Lambda invocations in the longest chain of one tick: the run, two for each retry, and the dead-letter store."""
    return 1 + 2 * (attempts - 1) + 1
