"""Keys of the single table `state`.

docs/reference/state-keys.md is generated from this module.
Each function returns a RowKey, or a partition key where rows are queried. A `*` as argument makes a grant's pattern.
"""

from __future__ import annotations

import zlib
from datetime import date
from typing import NamedTuple

from shared.aws.names import MUTES, OWED

# The sort key of a row that has its partition for itself, and the target of a job without targets.
ONLY = "-"
# A partition takes 1,000 writes a second, which are 500 effects. A row is found by this number: it must never change.
EFFECT_SHARDS = 16


class RowKey(NamedTuple):
    """Partition key and sort key of one row."""

    pk: str
    sk: str

    @property
    def attributes(self) -> dict[str, str]:
        return {"pk": self.pk, "sk": self.sk}


def claims(job_key: str) -> str:
    """`<job key>:last`: the claim items and host statuses of one job."""
    return f"{job_key}:last"


def claim(job_key: str, target: str = ONLY) -> RowKey:
    """`<job key>:last` / `<target>`: lease, fence, checkpoint, last status.

    A row with a host as its target contains the host's status.
    """
    return RowKey(claims(job_key), target)


def checkpoint(job: str, target: str, fence: int) -> RowKey:
    """`checkpoint#<job>` / `<target>#<fence>`: a checkpoint too large for the claim item."""
    # Named by the fence that wrote it: an expired holder writes beside its successor, never over it.
    return RowKey(checkpoints(job), f"{target}#{fence:012d}")


def own_checkpoint(job: str, target: str, place: str) -> RowKey:
    """`checkpoint#<job>` / `<target>#<plan or request>`: checkpoint of a plan or manual run."""
    return RowKey(checkpoints(job), f"{target}#{place}")


def checkpoints(job: str) -> str:
    """`checkpoint#<job>`: the large checkpoints of one job."""
    return f"checkpoint#{job}"


def runs(job: str, day: date | str) -> str:
    """`runs#<job>#<yyyy-mm-dd>`: the history of one job and day."""
    return f"runs#{job}#{day}"


def run(job: str, run_id: str) -> RowKey:
    """`runs#<job>#<yyyy-mm-dd>` / `<run id>`: the history row of one run.

    A run id begins with its start.
    """
    return RowKey(runs(job, f"{run_id[:4]}-{run_id[4:6]}-{run_id[6:8]}"), run_id)


def failures(day: date | str, shard: int) -> str:
    """`bad#<yyyy-mm-dd>#<shard>`: bad runs of a day, key of index `failures`."""
    return f"bad#{day}#{shard}"


def all_of_kind(kind: str) -> str:
    """`<letters or uncertain>`: rows of all jobs, key of index `failures`."""
    return kind


def failures_of_tenant(tenant: str) -> str:
    """`tenant#<org>`: what failed for one organization.

    Key of the index `tenant`: failed messages, dead letters, uncertain effects.
    """
    return f"tenant#{tenant}"


def manual_requests(job: str) -> str:
    """`manual#<job>`: one job's requests for manual runs, and their count per minute."""
    return f"manual#{job}"


def manual_request(job: str, request: str) -> RowKey:
    """`manual#<job>` / `<request id>`: request for a manual run, with its result."""
    return RowKey(manual_requests(job), request)


def manual_rate(job: str, minute: str) -> RowKey:
    """`manual#<job>` / `rate#<minute>`: number of manual runs requested in a minute."""
    return RowKey(manual_requests(job), f"rate#{minute}")


def pauses(job: str) -> str:
    """`pause#<job>`: the pauses of one job."""
    return f"pause#{job}"


def pause(job: str, part: str) -> RowKey:
    """`pause#<job>` / `job`, `target#<t>` or `tenant#<org>`: one pause with its end."""
    return RowKey(pauses(job), part)


def effects(job: str, shard: int | str) -> str:
    """`effect#<job>#<shard>`: a sixteenth of the effects of one job."""
    return f"effect#{job}#{shard:02d}" if isinstance(shard, int) else f"effect#{job}#{shard}"


def effect(job: str, key: str) -> RowKey:
    """`effect#<job>#<shard>` / `<effect key>`: intent and confirmation of one effect."""
    return RowKey(effects(job, zlib.crc32(key.encode()) % EFFECT_SHARDS), key)


def uncertain_effects(job: str) -> str:
    """`uncertain#<job>`: the effects of one job whose outcome is unknown."""
    return f"uncertain#{job}"


def uncertain_effect(job: str, key: str) -> RowKey:
    """`uncertain#<job>` / `<effect key>`: one effect whose outcome is unknown."""
    return RowKey(uncertain_effects(job), key)


def answered_attempts(job: str, message_id: str) -> str:
    """`answered#<job>#<message id>`: failed attempts of one message."""
    return f"answered#{job}#{message_id}"


def answered_attempt(job: str, message_id: str, attempt: int, digest: str) -> RowKey:
    """`answered#<job>#<message id>` / `<attempt>#<digest>`: answer to one failed attempt.

    The id is that of the first message; copies have other ids. The digest is that of the body.
    """
    return RowKey(answered_attempts(job, message_id), f"{attempt:04d}#{digest}")


def plan(plan_id: str) -> RowKey:
    """`plan#<plan id>` / `-`: plan of a dry run, applied or not.

    A plan id begins with its job.
    """
    return RowKey(f"plan#{plan_id}", ONLY)


def brake(job: str, target: str) -> RowKey:
    """`brake#<job>` / `<target>`: the size that engaged the brake, and its plan."""
    return RowKey(brakes(job), target)


def brakes(job: str) -> str:
    """`brake#<job>`: where the brake stopped the job."""
    return f"brake#{job}"


def heartbeats(job: str) -> str:
    """`heartbeat#<job>`: ticks of one job in shards, for its heartbeat."""
    return f"heartbeat#{job}"


def heartbeat(job: str, tick: str) -> RowKey:
    """`heartbeat#<job>` / `<tick or request>`: the finished shards of one tick."""
    return RowKey(heartbeats(job), tick)


def owner_alerts(job: str) -> str:
    """`owner-alerts#<job>`: the owners whose failures in one job were alerted."""
    return f"owner-alerts#{job}"


def owner_alert(job: str, owner: str) -> RowKey:
    """`owner-alerts#<job>` / `<owner>`: last alert about a failed owner."""
    return RowKey(owner_alerts(job), owner)


def pending_sums(job: str) -> str:
    """`pending-sums#<job>`: sums of a rollup that could not be added yet."""
    return f"pending-sums#{job}"


def pending_sum(job: str, owner: str, end: str) -> RowKey:
    """`pending-sums#<job>` / `<owner>#<window>`: sums of one owner and window."""
    return RowKey(pending_sums(job), f"{owner}#{end}")


def ledger(job: str) -> str:
    """`ledger#<job>`: the daily ledger of one job."""
    return f"ledger#{job}"


def ledger_day(job: str, day: date | str) -> RowKey:
    """`ledger#<job>` / `<yyyy-mm-dd>`: outcomes of a day's expected ticks, and largest run."""
    return RowKey(ledger(job), f"{day}")


def expected_since() -> RowKey:
    """`ledger` / `jobs`: since when ticks of each job are expected."""
    return RowKey("ledger", "jobs")


def watermark(job: str) -> RowKey:
    """`watermark#<job>` / `-`: up to when a job has processed everything."""
    return RowKey(f"watermark#{job}", ONLY)


def dead_letters(job: str) -> str:
    """`dead#<job>`: the dead letters of one job."""
    return f"dead#{job}"


def dead_letter(job: str, letter_id: str) -> RowKey:
    """`dead#<job>` / `<id>`: one dead letter; its payload is in S3."""
    return RowKey(dead_letters(job), letter_id)


def jobs_with_dead_letters() -> str:
    """`dead`: the jobs that have had dead letters."""
    return "dead"


def job_with_dead_letters(job: str) -> RowKey:
    """`dead` / `<job>`: one job that has had dead letters."""
    return RowKey(jobs_with_dead_letters(), job)


def audit_month(month: str) -> str:
    """`audit#<yyyy-mm>`: actions of operators in a month."""
    return f"audit#{month}"


def audit_entry(at: str, entry_id: str) -> RowKey:
    """`audit#<yyyy-mm>` / `<timestamp>#<id>`: one action of an operator, with its end."""
    return RowKey(audit_month(at[:7]), f"{at}#{entry_id}")


def plugin_hours(plugin: str) -> str:
    """`plugin#<plugin>`: the CPU time that one plugin has used, by hour."""
    return f"plugin#{plugin}"


def plugin_hour(plugin: str, hour: str) -> RowKey:
    """`plugin#<plugin>` / `<yyyy-mm-ddThh>`: CPU time used or reserved in an hour."""
    return RowKey(plugin_hours(plugin), hour)


def owed_alerts() -> str:
    """`owed#job-monitoring`: alerts that a channel has not taken yet."""
    return OWED


def owed_alert(alert: str) -> RowKey:
    """`owed#job-monitoring` / `<alert id>`: an alert with the channels that lack it."""
    return RowKey(owed_alerts(), alert)


def mutes() -> str:
    """`mute#alerts`: the mutes of alerts that have not ended."""
    return MUTES


def mute(about: str, kind: str) -> RowKey:
    """`mute#alerts` / `<subject>#<kind>`: one mute with its end; all kinds are `*`."""
    return RowKey(mutes(), f"{about}#{kind}")


def queue_drain(queue: str) -> RowKey:
    """`drain#queues` / `<queue>`: end of the pause between manual drains."""
    return RowKey(queue_drains(), queue)


def queue_drains() -> str:
    """`drain#queues`: the pauses between two drains of each queue."""
    return "drain#queues"


def queue_healths() -> str:
    """`queues`: depth, lag and failures of the consumers' queues."""
    return "queues"


def queue_health(queue: str) -> RowKey:
    """`queues` / `<queue>`: depth, lag and failures of one queue."""
    return RowKey(queue_healths(), queue)


def console(kind: str, row: str) -> RowKey:
    """`console` / `<link, login or form>#<id>`: used links, failed sign-ins, submitted forms."""
    return RowKey("console", f"{kind}#{row}")
