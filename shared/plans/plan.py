"""A plan: what a job would do, written down, so that a person can look at it and have exactly that done, or nothing."""

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
from shared.aws import attributes
from shared.aws.names import STATE
from shared.job import duration
from shared.job.action import Action
from shared.job.definition import Job
from shared.plans import draft
from shared.plans.draft import Draft
from shared.run.firing import Firing
from shared.tables import TTL

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.run.context import RunContext

SINGLETON = "-"
# `<job>.<stage>.<at random>`; a job's plans are granted by how their ids begin.
ID = re.compile(r"([a-z0-9-]+)\.([\w-]+)\.[0-9a-f]{8}")
VALID = duration.days(1)
# An expired plan is kept for as long, so that it can be told from one that never was.
KEPT = duration.days(30)


class UnknownPlan(LookupError):
    """No plan of that id was ever made here, or one so long ago that it is forgotten."""

    def __init__(self, plan: str, stage: str, job: str = "JOB") -> None:
        planning = advised(stage, job, "--dry-run")
        super().__init__(f"there is no plan {plan!r:.90}; `{planning}` makes one and prints its id")


class PlanRefused(Exception):
    """A plan that cannot be carried out (any more); the message says why and what to do. Nothing was done."""


@dataclass(frozen=True, slots=True)
class Plan:
    """at: the frozen instant that stands for the tick. cutoff: what followed from it. digest, counts: see Draft.

    listed: the actions themselves, as lines of JSON; or where they are many, the key of the object that has them.
    """

    id: str
    job: str
    target: str
    at: str
    cutoff: str
    made: str
    until: str
    who: str
    digest: str
    counts: Mapping[str, int]
    samples: Mapping[str, list[str]]
    listed: Mapping[str, str]

    @property
    def firing(self) -> Firing:
        """The wake-up that carries it out."""
        return Firing(self.job, clock.parse(self.at), target=self.target, manual=True, retried=False, plan=self.id)

    def actions(self, cloud: Cloud) -> Iterator[Action]:
        if "text" in self.listed:
            yield from draft.parse_lines(self.listed["text"].splitlines())
            return
        from gzip import GzipFile

        body: Any = cloud.s3.get_object(Bucket=cloud.names.bucket, Key=self.listed["object"])["Body"]
        with closing(body), GzipFile(fileobj=body) as lines:
            yield from draft.parse_lines(lines)

    def lines(self) -> list[str]:
        return [*draft.summary_lines(self.counts, self.samples)]


def store(cloud: Cloud, job: Job, run: RunContext, drafted: Draft, who: str, valid: timedelta = VALID) -> Plan:
    """Write the plan down: its row, and before it the object with its actions where they are many."""
    now = cloud.clock.now()
    plan_id = f"{job.name}.{cloud.names.stage}.{secrets.token_hex(4)}"
    text = drafted.text()
    key = f"plans/{job.name}/{plan_id}.jsonl.gz"
    if text is None:
        cloud.s3.put_object(
            Bucket=cloud.names.bucket,
            Key=key,
            Body=drafted.file(),
            ContentType="application/gzip",
            ServerSideEncryption="AES256",
        )
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
        listed={"object": key} if text is None else {"text": text},
    )
    values = {name: getattr(plan, name) for name in Plan.__slots__ if name != "id"}
    where = {"stage": cloud.names.stage, "account": cloud.names.account, "region": cloud.names.region}
    cloud.dynamodb.put_item(
        TableName=cloud.names.table(STATE),
        Item=attributes.row({**row_key(plan_id), **values, **where, TTL: int((now + valid + KEPT).timestamp())}),
        ConditionExpression="attribute_not_exists(pk)",
    )
    return plan


def load(cloud: Cloud, plan_id: str, *, begun: bool = False) -> Plan:
    """The plan of that id, fit to be carried out. `begun`: it is on its way already, by earlier parts of this run.

    Raises UnknownPlan, and PlanRefused for one of another environment, one that is over or was carried out before.
    """
    named = ID.fullmatch(plan_id)
    if not named:
        raise UnknownPlan(plan_id, cloud.names.stage)
    job, stage = named.groups()
    here = {"stage": cloud.names.stage, "account": cloud.names.account, "region": cloud.names.region}
    if stage != here["stage"]:
        raise PlanRefused(f"plan {plan_id} was made for stage {stage!r} and this is {here['stage']!r}; plan it here")
    answer = cloud.dynamodb.get_item(
        TableName=cloud.names.table(STATE), Key=attributes.row(row_key(plan_id)), ConsistentRead=True
    )
    found = attributes.plain(answer.get("Item"))
    if not found or found["job"] != job:
        raise UnknownPlan(plan_id, here["stage"], job)
    made_in = {name: found[name] for name in here}
    if made_in != here:
        raise PlanRefused(f"plan {plan_id} was made for {_place(made_in)} and this is {_place(here)}; plan it here")
    again = f"`{advised(stage, job, '--dry-run')}` makes a new plan"
    if clock.iso(cloud.clock.now()) > found["until"]:
        raise PlanRefused(f"plan {plan_id} expired at {found['until']}; {again}")
    if "begun" in found and not begun:
        end = f"and carried out at {found['applied']}" if "applied" in found else "which did not end it"
        raise PlanRefused(f"plan {plan_id} was begun by run {found['begun']}, {end}; {again} of what is left")
    return Plan(id=plan_id, **{name: found[name] for name in Plan.__slots__ if name != "id"})


def row_key(plan_id: str) -> dict[str, str]:
    return {"pk": f"plan#{plan_id}", "sk": SINGLETON}


def _place(where: Mapping[str, str]) -> str:
    return f"account {where['account']}, {where['region']}, stage {where['stage']}"
