"""A plan: the stored actions of a dry run.

An operator reviews it and then applies exactly these actions.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.advised_commands import advised
from shared.job import duration
from shared.job.action import Action
from shared.job.definition import Job
from shared.plans import draft
from shared.plans.draft import Draft
from shared.store import keys, table
from shared.tables import STATE, TTL

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.run.context import RunContext

# `<job>.<stage>.<random>`; the permission on a job's plans is by the start of their ids.
ID = re.compile(r"([a-z0-9-]+)\.([\w-]+)\.[0-9a-f]{8}")
# How long a plan may be applied.
VALID = duration.days(1)
# How long an expired plan is retained, so that its error differs from that of an unknown one.
RETENTION = duration.days(30)


class UnknownPlan(LookupError):
    """No plan with this id: never created, or no longer retained."""

    def __init__(self, plan: str, stage: str, job: str = "JOB") -> None:
        planning = advised(stage, job, "--dry-run")
        super().__init__(f"there is no plan {plan!r:.90}; `{planning}` makes one and prints its id")


class PlanRefused(Exception):
    """A plan that cannot be applied.

    The message has the reason and what to do. Nothing was done.
    """


@dataclass(frozen=True, slots=True)
class Plan:
    """A stored plan. The attributes are those of its row."""

    #: `<job>.<stage>.<random>`.
    id: str
    #: Name of the job.
    job: str
    #: Target of the run; `-` for a job without targets.
    target: str
    #: Frozen time of the tick by which the actions were found.
    at: str
    #: Cutoff of the job at that time.
    cutoff: str
    #: Timestamp of the plan.
    made: str
    #: Timestamp after which it cannot be applied.
    until: str
    #: Operator who made it, or `brake`.
    who: str
    #: Hash of the actions, see `Draft.digest`.
    digest: str
    #: Number of actions by verb.
    counts: Mapping[str, int]
    #: Examples by verb.
    samples: Mapping[str, list[str]]
    #: `text`: the actions as lines of JSON; or `object`: the S3 key of many.
    listed: Mapping[str, str]
    #: Run that has begun to apply it, and not ended it; empty before. Not written with the plan.
    begun: str = ""

    def actions(self, cloud: Cloud) -> Iterator[Action]:
        """Yield the actions in the order of the draft."""
        if "text" in self.listed:
            yield from draft.parse_lines(self.listed["text"].splitlines())
            return
        from gzip import GzipFile

        body: Any = cloud.s3.get_object(Bucket=cloud.names.bucket, Key=self.listed["object"])["Body"]
        with closing(body), GzipFile(fileobj=body) as lines:
            yield from draft.parse_lines(lines)

    def lines(self) -> list[str]:
        """Return the summary for people, see `Draft.lines`."""
        return [*draft.summary_lines(self.counts, self.samples)]


# Attributes of a plan's row that are written with it.
STORED = tuple(name for name in Plan.__slots__ if name not in ("id", "begun"))


def create(cloud: Cloud, job: Job, run: RunContext, drafted: Draft, who: str, valid: timedelta = VALID) -> Plan:
    """Store a plan and return it.

    Many actions are stored in S3, before the row.
    """
    now = cloud.clock.now()
    plan_id = f"{job.name}.{cloud.names.stage}.{secrets.token_hex(4)}"
    plan = Plan(
        id=plan_id,
        job=job.name,
        target=run.target,
        at=clock.iso(run.at),
        cutoff=clock.iso(job.cutoff(run)),
        made=clock.iso(now),
        until=clock.iso(now + valid),
        who=who,
        digest=drafted.digest,
        counts=dict(drafted.counts),
        samples=drafted.samples,
        listed=_store_actions(cloud, job, plan_id, drafted),
    )
    values = {name: getattr(plan, name) for name in STORED}
    expires = int((now + valid + RETENTION).timestamp())
    table.put_if(
        cloud,
        STATE,
        {**keys.plan(plan_id).attributes, **values, **_environment(cloud), TTL: expires},
        "attribute_not_exists(pk)",
        won=lambda row: (row.get("made"), row.get("digest")) == (plan.made, plan.digest),
    )
    return plan


def load(cloud: Cloud, plan_id: str) -> Plan:
    """Return a plan that may be applied.

    It may be begun, then it goes on where its last run ended.

    Raises UnknownPlan, and PlanRefused for a plan of another environment, an expired one or one applied before.
    """
    match = ID.fullmatch(plan_id)
    if not match:
        raise UnknownPlan(plan_id, cloud.names.stage)
    job, stage = match.groups()
    here = _environment(cloud)
    if stage != here["stage"]:
        raise PlanRefused(f"plan {plan_id} was made for stage {stage!r} and this is {here['stage']!r}; plan it here")
    row = table.get(cloud, STATE, keys.plan(plan_id))
    if not row or row["job"] != job:
        raise UnknownPlan(plan_id, here["stage"], job)
    made_in = {name: row[name] for name in here}
    if made_in != here:
        raise PlanRefused(f"plan {plan_id} was made for {_place(made_in)} and this is {_place(here)}; plan it here")
    new_plan = f"`{advised(stage, job, '--dry-run')}` makes a new plan"
    if clock.iso(cloud.clock.now()) > row["until"]:
        raise PlanRefused(f"plan {plan_id} expired at {row['until']}; {new_plan}")
    if "applied" in row:
        applied = f"begun by run {row['begun']}, and applied at {row['applied']}"
        raise PlanRefused(f"plan {plan_id} was {applied}; {new_plan} of what is left")
    return Plan(id=plan_id, begun=row.get("begun", ""), **{name: row[name] for name in STORED})


def _store_actions(cloud: Cloud, job: Job, plan_id: str, drafted: Draft) -> dict[str, str]:
    """Return the attribute `listed`; many actions are written to S3."""
    text = drafted.text()
    if text is not None:
        return {"text": text}
    key = f"plans/{job.name}/{plan_id}.jsonl.gz"
    cloud.s3.put_object(
        Bucket=cloud.names.bucket,
        Key=key,
        Body=drafted.file(),
        ContentType="application/gzip",
    )
    return {"object": key}


def _environment(cloud: Cloud) -> dict[str, str]:
    return {"stage": cloud.names.stage, "account": cloud.names.account, "region": cloud.names.region}


def _place(where: Mapping[str, str]) -> str:
    return f"account {where['account']}, {where['region']}, stage {where['stage']}"
