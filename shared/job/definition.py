"""The class Job: a job's declaration, readable without running it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar

from shared.aws import permissions
from shared.aws.names import CELERY, DEAD, FIRINGS, STATE, WORK
from shared.aws.permissions import Grant
from shared.job import overrides, policies, setting, validation
from shared.job.idempotency import Idempotency
from shared.job.outcome import Outcome
from shared.job.retry import RetryPolicy
from shared.job.schedule import CatchUp, Schedule
from shared.job.setting import Setting
from shared.store import keys

if TYPE_CHECKING:
    from pathlib import Path

    from shared.aws.cloud import Cloud
    from shared.job.action import Action
    from shared.job.budget import Budget
    from shared.job.effect import Confirmed, Effect, NotDone, Unknown
    from shared.run.context import RunContext

# Executors of a scheduled job: the process that fires it; its own Lambda function, through the queue `firings`;
# `jobs.py worker`; another task system.
INLINE, QUEUE, WORKER = "inline", "queue", "worker"
RUN_BY = (INLINE, QUEUE, WORKER, CELERY, "rq")
# Seconds that a run which reaches its own deadline has to write its outcome before Lambda stops it.
FINISH_SECONDS = 5


class Job:
    """Declaration of one job.

    A class per module of functions/, with `work` or the hooks of its archetype. Instances are created per run and hold
    no state between runs.
    """

    schedule: ClassVar[Schedule | tuple[Schedule, ...] | None] = None
    """When it runs: one schedule or several; the default of `<ENV>_SCHEDULE`. Default: not by time."""
    queue: ClassVar[str | None] = None
    """Logical name of the queue whose messages it consumes, instead of a schedule."""
    dead_letter_queue: ClassVar[str | None] = None
    """Queue of the consumer's dead letters. Default: `<queue>-dlq`."""
    collector: ClassVar[bool] = False
    """Whether it consumes the dead letters of all other consumers. Default: False."""
    batch_size: ClassVar[int] = 10
    """Messages per batch, 1 to 10,000; above 10 needs a batch_window. Default: 10."""
    batch_window: ClassVar[int] = 0
    """Seconds to wait for a full batch, 0 to 300. Default: 0."""
    concurrency: ClassVar[int] = 5
    """Concurrent batches of one queue, 2 to 1,000. Default: 5."""
    idempotency: ClassVar[Idempotency | None] = None
    """Strategy, and the reason that a repeated run does no harm. Required."""
    retry: ClassVar[RetryPolicy] = policies.DEFAULT
    """Retries of a failed run, the default of `<ENV>_RETRY`. Default: exponential 2s, 4 attempts."""
    timeout: ClassVar[int] = 300
    """Seconds until Lambda stops a run, 10 to 900; `work` gets 5 fewer. Default: 300."""
    memory: ClassVar[int] = 256
    """MB, 128 to 10,240. Default: 256."""
    cap: ClassVar[int] = 1000
    """Items that one run may process, the default of `<ENV>_MAX_RUNS_PER_TICK`. Default: 1,000."""
    shards: ClassVar[int] = 1
    """Concurrent runs per tick, with the targets `0` to `n-1`. Default: 1."""
    shard_items: ClassVar[int] = 0
    """Due items of one shard: a tick with fewer is one run, with more it has up to `shards`. 0: always all shards."""
    by_name: ClassVar[bool] = False
    """Whether any name is a target, as that of an item to attempt now. Default: False."""
    lease_per_target: ClassVar[bool] = True
    """False if one run serves all targets. Default: True."""
    grace: ClassVar[int | None] = None
    """Seconds after its time at which a tick is recorded `late` instead of run. Default: it runs however late."""
    catch_up: ClassVar[CatchUp | None] = None
    """Treatment of missed ticks. Default: ONCE if the next tick may be over an hour away, else NONE."""
    costly: ClassVar[bool] = False
    """Whether it is off in production until `<ENV>_ENABLE=true`. Default: False."""
    retention: ClassVar[str] = "standard"
    """Run history to retain: high-volume, standard, critical, or ages and counts. Default: standard."""
    permissions: ClassVar[tuple[Grant, ...]] = ()
    """Grants beyond those that every run and the archetype need. Default: none."""
    settings: ClassVar[tuple[Setting, ...]] = ()
    """Settings that the job reads from the environment. Default: none."""
    stages: ClassVar[tuple[str, ...]] = ()
    """Stages that it is deployed to. Default: all."""
    needs_manifest: ClassVar[bool] = False
    """Whether its bundle contains the manifest of all jobs. Default: False."""
    carries: ClassVar[Mapping[str, Path]] = {}
    """Folders that its bundle contains beside functions/, by their path in it. Default: none."""
    applicable: ClassVar[bool] = False
    """Whether a dry run makes a plan that `apply` can execute later; needs `actions` and `apply`. Default: False."""
    silent_after: ClassVar[int | None] = None
    """Seconds without a start after which an alarm is raised, in whole minutes up to a day. Default: no alarm."""
    effects: ClassVar[timedelta | None] = None
    """How long effects are remembered to recognise duplicates, 1 to 400 days. Required to call `run.effect`.

    Must be longer than its messages and dead letters can be repeated.
    """
    budget: ClassVar[Budget | None] = None
    """Limit on items or dollars per day or month, as reported by `run.spend`; divided among shards. Default: none."""
    rules: ClassVar[tuple[validation.Rule, ...]] = ()
    """Rules of an archetype for its jobs' declarations, beyond those for every job."""

    name: ClassVar[str] = ""
    """Name in commands, logs and resources. Default: the module's name with hyphens."""
    group: ClassVar[str] = ""
    """Folder of functions/ that contains it."""
    module: ClassVar[str] = ""
    """Python module that declares it."""
    place: ClassVar[str] = ""
    """Path by which the registry loads it: `<group>/<module>`, with `:<name>` if the module yields several jobs."""
    origin: ClassVar[str] = ""
    """File and line of a declaration that is not Python."""
    key: ClassVar[str] = ""
    """Prefix of its status key, `<key>:last:<target>`. Default: its name."""
    env: ClassVar[str] = ""
    """Prefix of its settings. Default: its name in upper case with underscores."""
    archetype: ClassVar[bool] = True
    """True for a base class of jobs, which is not itself a job."""
    declared: ClassVar[type[Job]]
    """The class as its module declares it, if this one has values from the environment."""

    def __init_subclass__(cls, *, archetype: bool = False) -> None:
        super().__init_subclass__()
        cls.archetype = archetype
        if archetype:
            return
        own = cls.__dict__
        cls.declared = own.get("declared", cls)
        if cls.declared is not cls:
            # The same job with values from the environment: it keeps its names.
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
        """Process one run.

        Raise Rejected for an error that no retry can fix; any other exception is retried.
        """
        raise NotImplementedError

    def plan(self, run: RunContext) -> list[str]:
        """Lines that describe what `work` would do, for `--dry-run`. Changes nothing."""
        return [f"run {self.name}; it declares no plan of its own"]

    def cutoff(self, run: RunContext) -> datetime:
        """Timestamp up to which rows are due; a plan stores it."""
        return run.at

    def actions(self, run: RunContext) -> Iterator[Action]:
        """Actions that `work` would take, for an `applicable` job. Changes nothing."""
        raise NotImplementedError

    def apply(self, run: RunContext, actions: Iterator[Action]) -> Outcome:
        """Perform these actions of a plan and no others.

        The checkpoint `{"done": n}` continues a run that ends early.
        """
        raise NotImplementedError

    def reconcile(self, effect: Effect) -> Confirmed | NotDone | Unknown:
        """Look up the outcome of an unconfirmed effect, by key or token.

        NotDone repeats the effect; return it too if the receiver recognises the idempotency key.
        """
        from shared.job.effect import Unknown

        return Unknown()

    @property
    def id(self) -> str:
        """Name by which its plugin knows it; for other jobs, `name`."""
        return self.name

    @classmethod
    def schedules(cls) -> tuple[Schedule, ...]:
        one_or_more = cls.schedule or ()
        return one_or_more if isinstance(one_or_more, tuple) else (one_or_more,)

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
        """Settings: every job's, overrides of the declaration, and the job's own."""
        gates = (
            setting.flag(f"{cls.env}_ENABLE", not cls.costly, f"Whether {cls.name} runs at all"),
            setting.count(f"{cls.env}_MAX_RUNS_PER_TICK", cls.cap, f"Items that one run of {cls.name} may process"),
        )
        ticked = () if cls.queue else (cls.run_by(), cls.heartbeat())
        budget = (cls.budget.setting(cls.env, cls.name),) if cls.budget else ()
        return (*gates, *overrides.settings_of(cls).values(), *budget, *ticked, *cls.settings)

    @classmethod
    def targets(cls, environment: Mapping[str, str] | None = None) -> tuple[str, ...] | None:  # noqa: ARG003
        """Targets, by the settings in `environment`; None for any name. Raises SettingError."""
        if cls.by_name:
            return None
        return tuple(map(str, range(cls.shards))) if cls.shards > 1 else ()

    def missing_target(self, target: str, cloud: Cloud) -> str:
        """Reason that nothing has this name, for a job `by_name`; else empty."""
        return ""

    @classmethod
    def check_settings(cls, environment: Mapping[str, str]) -> None:
        """Read the settings of the work.

        Raises SettingError for the first invalid one. Not read: the heartbeat, which fails no run, and who runs the
        job, since a firing that was routed is run wherever it arrived.
        """
        for each in cls.all_settings():
            if each.name not in (cls.heartbeat().name, cls.run_by().name):
                each.read(environment)

    @classmethod
    def allowance(cls, environment: Mapping[str, str]) -> Budget | None:
        """Budget of one claim item, as set in the environment. Raises SettingError."""
        if cls.budget is None:
            return None
        allowed: Budget = cls.budget.setting(cls.env, cls.name).read(environment)
        return allowed.share(cls.shards if cls.lease_per_target else 1)

    @classmethod
    def run_by(cls) -> Setting:
        meaning = f"Who runs {cls.name} at its ticks: {', '.join(RUN_BY[:-1])} or {RUN_BY[-1]}; docs/howto/workers.md"
        return setting.choice(f"{cls.env}_RUN_BY", INLINE, RUN_BY, meaning)

    @classmethod
    def heartbeat(cls) -> Setting:
        meaning = f"Healthchecks.io URL that {cls.name} pings when it starts (/start), succeeds, and fails (/fail)"
        # External: the pings of a laptop would hide that the deployment is silent.
        return setting.url(f"HC_{cls.env}_URL", meaning, external=True)

    @classmethod
    def grants(cls) -> tuple[Grant, ...]:
        """Grants of the job, and of every run: state, history, artifacts, retries."""
        rows = (
            keys.claims(cls.key),
            keys.runs(cls.name, "*"),
            keys.manual_requests(cls.name),
            keys.checkpoints(cls.name),
        )
        return (
            permissions.read_rows(STATE, *rows, keys.pauses(cls.name)),
            permissions.write_rows(STATE, *rows),
            *((permissions.update_rows(STATE, keys.heartbeats(cls.name)),) if cls.shards > 1 else ()),
            # The outcome of a redriven dead letter is written to it.
            permissions.update_rows(STATE, keys.dead_letters(cls.name)),
            permissions.read_objects(f"{cls.name}/*"),
            permissions.write_objects(f"{cls.name}/*"),
            permissions.write_objects(f"dead/{cls.name}/large/*"),
            # A paused consumer sends its messages back to its own queue.
            *map(permissions.send, dict.fromkeys((FIRINGS, cls.queue or WORK, DEAD))),
            *cls._plan_grants(),
            *cls._effect_grants(),
            *(permissions.alerting() if cls.budget else ()),
            *cls.permissions,
        )

    @classmethod
    def _plan_grants(cls) -> tuple[Grant, ...]:
        """Grants on the job's own plans and brake."""
        if not cls.applicable:
            return ()
        # A plan id begins with its job's name.
        return permissions.read_and_write((keys.plan(f"{cls.name}.*").pk, keys.brakes(cls.name)), f"plans/{cls.name}/*")

    @classmethod
    def _effect_grants(cls) -> tuple[Grant, ...]:
        """Grants on the job's effects and on their large results.

        Uncertain effects are included.
        """
        if cls.effects is None:
            return ()
        rows = (keys.effects(cls.name, "*"), keys.uncertain_effects(cls.name))
        return permissions.read_and_write(rows, f"effects/{cls.name}/*")
