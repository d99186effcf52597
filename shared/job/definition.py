"""A job's declaration: all that must be known of it without running it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar

from shared.aws import permissions
from shared.aws.names import CELERY, DEAD, FIRINGS, STATE, WORK
from shared.aws.permissions import Grant
from shared.job import overrides, retry_policies, settings, validation
from shared.job.idempotency import Idempotency
from shared.job.outcome import Outcome
from shared.job.retry import RetryPolicy
from shared.job.schedule import CatchUp, Schedule
from shared.job.settings import Setting

if TYPE_CHECKING:
    from pathlib import Path

    from shared.job.action import Action
    from shared.job.budget import Budget
    from shared.job.effect import Confirmed, Effect, NotDone, Unknown
    from shared.run.context import RunContext

# Who runs a job at its ticks: whoever fires it; its function, by way of `firings`; `jobs.py worker`; another system.
INLINE, QUEUE, WORKER = "inline", "queue", "worker"
RUN_BY = (INLINE, QUEUE, WORKER, CELERY, "rq")
# A run that is reaped by its own deadline needs this long to write its outcome before Lambda's axe falls.
FINISH_SECONDS = 5


class Job:
    """What every job declares. `work` is the only line of it that a run calls.

    timeout: seconds that Lambda allows, 10 to 900; work gets 5 fewer. memory: MB, 128 to 10,240.
    shards: a tick becomes so many runs, targets `0` to `n-1`. lease_per_target: False where one run serves all targets.
    cap: the most items one run works on; `<ENV>_MAX_RUNS_PER_TICK` overrides it.
    stages: deployed to these alone; empty is all. key: the status key is `<key>:last:<target>`. env: prefix of the
    job's settings.
    grace: seconds after its time at which a tick is no longer run but recorded `late`; None runs it however late.
    catch_up: what becomes of missed ticks; where it isn't said, ONCE for a job that might wait longer than an hour for
    its next tick, and NONE for all others.
    costly: off in production until `<ENV>_ENABLE=true`. queue: logical name, for consumers; what it gives up goes to
    dead_letter_queue, `<queue>-dlq` where none is named. collector: takes the dead letters of every other consumer.
    batch_size: messages, 1 to 10,000; above 10 needs a batch_window, the seconds to wait for more, up to 300.
    concurrency: the most batches of one queue at work at once, 2 to 1,000.
    refusals: what an archetype asks of its jobs' declarations beyond what every job is asked.
    applicable: whether a dry run makes a plan that can be carried out later; then `actions` and `apply` are its own.
    place: where the registry finds it, `<group>/<module>`, `:<name>` where a module yields several. origin: file and
    line of its declaration, where that is no Python. carries: folders that its bundle has beside functions/, by path.
    effects: for a job that changes the world outside by `tick.effect`: how long an effect is remembered, and a second
    one of its key recognised; at least a day, and longer than its messages and dead letters may come back.
    budget: the most it may do and cost in a day or a month, by what it tells `tick.spend`; each shard has an equal
    share.
    silent_after: seconds without a start that raise an alarm of the job's own; whole minutes, up to a day.
    retention: which of its runs stay on record: high-volume, standard, critical, or ages and counts of its own.
    declared: the class as its module has it, where this one differs by what the environment says.
    """

    archetype: ClassVar[bool] = True
    declared: ClassVar[type[Job]]
    name: ClassVar[str] = ""
    group: ClassVar[str] = ""
    module: ClassVar[str] = ""
    place: ClassVar[str] = ""
    origin: ClassVar[str] = ""
    key: ClassVar[str] = ""
    env: ClassVar[str] = ""

    schedule: ClassVar[Schedule | tuple[Schedule, ...] | None] = None
    queue: ClassVar[str | None] = None
    dead_letter_queue: ClassVar[str | None] = None
    collector: ClassVar[bool] = False
    batch_size: ClassVar[int] = 10
    batch_window: ClassVar[int] = 0
    concurrency: ClassVar[int] = 5
    idempotency: ClassVar[Idempotency | None] = None
    retry: ClassVar[RetryPolicy] = retry_policies.DEFAULT
    timeout: ClassVar[int] = 300
    memory: ClassVar[int] = 256
    cap: ClassVar[int] = 1000
    shards: ClassVar[int] = 1
    lease_per_target: ClassVar[bool] = True
    grace: ClassVar[int | None] = None
    catch_up: ClassVar[CatchUp | None] = None
    costly: ClassVar[bool] = False
    retention: ClassVar[str] = "standard"
    permissions: ClassVar[tuple[Grant, ...]] = ()
    settings: ClassVar[tuple[Setting, ...]] = ()
    stages: ClassVar[tuple[str, ...]] = ()
    needs_manifest: ClassVar[bool] = False
    carries: ClassVar[Mapping[str, Path]] = {}
    applicable: ClassVar[bool] = False
    refusals: ClassVar[tuple[validation.Refusal, ...]] = ()
    silent_after: ClassVar[int | None] = None
    effects: ClassVar[timedelta | None] = None
    budget: ClassVar[Budget | None] = None

    def __init_subclass__(cls, *, archetype: bool = False) -> None:
        super().__init_subclass__()
        cls.archetype = archetype
        if archetype:
            return
        own = cls.__dict__
        cls.declared = own.get("declared", cls)
        if cls.declared is not cls:
            # The same job, with other values: it keeps its names.
            validation.check(cls)
            return
        cls.module = cls.__module__
        cls.group = own.get("group") or cls.__module__.split(".")[-2] if "." in cls.__module__ else "none"
        cls.name = own.get("name") or cls.__module__.rpartition(".")[2].replace("_", "-")
        cls.place = own.get("place") or f"{cls.group}/{cls.module.rpartition('.')[2]}"
        cls.key = own.get("key") or cls.name
        cls.env = own.get("env") or cls.name.upper().replace("-", "_")
        validation.check(cls)

    def work(self, run: RunContext) -> Outcome:
        """Do one run's worth of work. Raise Rejected where no retry can help; raise anything else to be retried."""
        raise NotImplementedError

    def plan(self, run: RunContext) -> list[str]:
        """What `work` would do, a line each; touches nothing. `--dry-run` prints it."""
        return [f"run {self.name}; it declares no plan of its own"]

    def cutoff(self, run: RunContext) -> datetime:
        """The instant by which a run at this tick judges what is due; a plan freezes it."""
        return run.at

    def actions(self, run: RunContext) -> Iterator[Action]:
        """What `work` would do, thing by thing; touches nothing. For a job that is `applicable`."""
        raise NotImplementedError

    def apply(self, run: RunContext, actions: Iterator[Action]) -> Outcome:
        """Do these actions of a plan and no others. `{"done": n}` as the checkpoint where the run must end early."""
        raise NotImplementedError

    def reconcile(self, effect: Effect) -> Confirmed | NotDone | Unknown:
        """Find out what came of an effect that was begun and never confirmed: ask the receiver, by key or token.

        NotDone has it done again. Say so too where the receiver knows the idempotency key, and again does no harm.
        """
        from shared.job.effect import Unknown

        return Unknown()

    @property
    def id(self) -> str:
        """What it is called where it comes from; its name, but for jobs of plugins."""
        return self.name

    @classmethod
    def schedules(cls) -> tuple[Schedule, ...]:
        if cls.schedule is None:
            return ()
        return cls.schedule if isinstance(cls.schedule, tuple) else (cls.schedule,)

    @classmethod
    def catches_up(cls) -> CatchUp:
        return cls.catch_up or CatchUp.by_default(cls.schedules(), cls.grace)

    @classmethod
    def dead_queue(cls) -> str | None:
        return cls.dead_letter_queue or (f"{cls.queue}-dlq" if cls.queue else None)

    @classmethod
    def purpose(cls) -> str:
        return (inspect.getdoc(cls) or "").partition("\n")[0]

    @classmethod
    def all_settings(cls) -> tuple[Setting, ...]:
        """The gates that every job has, what of its declaration can be said otherwise, then its own."""
        gates = (
            settings.flag(f"{cls.env}_ENABLE", not cls.costly, f"Whether {cls.name} runs at all"),
            settings.count(f"{cls.env}_MAX_RUNS_PER_TICK", cls.cap, f"The most items one run of {cls.name} works on"),
        )
        ticked = () if cls.queue else (cls.run_by(), cls.heartbeat())
        budget = (cls.budget.setting(cls.env, cls.name),) if cls.budget else ()
        return (*gates, *overrides.settings_of(cls).values(), *budget, *ticked, *cls.settings)

    @classmethod
    def allowance(cls, environment: Mapping[str, str]) -> Budget | None:
        """What the runs of one claim item may spend, as the setting has it now. Raises SettingError."""
        if cls.budget is None:
            return None
        allowed: Budget = cls.budget.setting(cls.env, cls.name).read(environment)
        return allowed.share(cls.shards if cls.lease_per_target else 1)

    @classmethod
    def run_by(cls) -> Setting:
        meaning = f"Who runs {cls.name} at its ticks: {', '.join(RUN_BY[:-1])} or {RUN_BY[-1]}; docs/howto/workers.md"
        return settings.choice(f"{cls.env}_RUN_BY", INLINE, RUN_BY, meaning)

    @classmethod
    def heartbeat(cls) -> Setting:
        meaning = f"Pinged when {cls.name} starts (/start), ends well, and fails (/fail), as Healthchecks.io takes it"
        return settings.text(f"HC_{cls.env}_URL", "", meaning)

    @classmethod
    def grants(cls) -> tuple[Grant, ...]:
        """The job's own permissions and those that every run needs for its state, history, artifacts and retries."""
        rows = (f"{cls.key}:last", f"runs#{cls.name}#*", f"manual#{cls.name}", f"checkpoint#{cls.name}")
        return (
            permissions.read_rows(STATE, *rows, f"pause#{cls.name}"),
            permissions.write_rows(STATE, *rows),
            # What came of a dead letter that was sent again.
            permissions.update_rows(STATE, f"dead#{cls.name}"),
            permissions.read_objects(f"{cls.name}/*"),
            permissions.write_objects(f"{cls.name}/*"),
            permissions.write_objects(f"dead/{cls.name}/large/*"),
            # A consumer sends what is paused to its own queue again.
            *map(permissions.send, dict.fromkeys((FIRINGS, cls.queue or WORK, DEAD))),
            *cls._planning(),
            *cls._affecting(),
            *cls._budgeted(),
            *cls.permissions,
        )

    @classmethod
    def _planning(cls) -> tuple[Grant, ...]:
        """Plans are kept apart by their job: a row begins with its name, and an object lies in its folder."""
        if not cls.applicable:
            return ()
        rows, objects = (f"plan#{cls.name}.*", f"brake#{cls.name}"), f"plans/{cls.name}/*"
        kept = (permissions.read_rows(STATE, *rows), permissions.write_rows(STATE, *rows))
        return (*kept, permissions.read_objects(objects), permissions.write_objects(objects))

    @classmethod
    def _affecting(cls) -> tuple[Grant, ...]:
        """The rows of its effects, those that nobody knows of, and large results."""
        if cls.effects is None:
            return ()
        rows, objects = (f"effect#{cls.name}#*", f"uncertain#{cls.name}"), f"effects/{cls.name}/*"
        kept = (permissions.read_rows(STATE, *rows), permissions.write_rows(STATE, *rows))
        return (*kept, permissions.read_objects(objects), permissions.write_objects(objects))

    @classmethod
    def _budgeted(cls) -> tuple[Grant, ...]:
        """To alert when it is used up."""
        if cls.budget is None:
            return ()
        return permissions.alerting()
