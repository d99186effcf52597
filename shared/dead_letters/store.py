"""Rows of dead letters: `dead#<job>` / `<timestamp>#<id>`.

`dead` / `<job>` lists each job that has had dead letters.

Queries only, in pages of 1,000 rows. A row takes 0.6 to 0.9 KB, so that reading 10,000 dead letters takes 700 to 1,100
read units, a hundredth of a cent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.advised_commands import advised
from shared.dead_letters.letter import RETENTION, DeadLetter, DeadLetterRefused, UnknownDeadLetter
from shared.redaction import SHORT, excerpt
from shared.store import failure_index, keys, table
from shared.store.batch_get import batch_get_rows
from shared.tables import STATE, TTL

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

# Bytes of a payload: an event of 6 MiB, Lambda's limit, with the escapes of JSON.
MAX_PAYLOAD = 40 * 1024 * 1024
# Rows per page, which limits the memory.
PAGE = 1000


@dataclass(frozen=True, slots=True)
class DeadLetterFilter:
    """Conditions that a dead letter must meet, all of them.

    An empty condition is met by each.
    """

    job: str = ""
    fingerprint: str = ""
    #: The last failure was earlier.
    before: datetime | None = None
    #: A prefix of the reason.
    reason: str = ""
    #: Id of the organization.
    tenant: str = ""
    #: Target of a firing, or entity of a message.
    entity: str = ""
    #: The last failure was at this time or later.
    since: datetime | None = None

    def __bool__(self) -> bool:
        return bool(self.data())

    def __contains__(self, letter: DeadLetter) -> bool:
        return (
            self.job in ("", letter.job)
            and self.fingerprint in ("", letter.fingerprint)
            and letter.reason.startswith(self.reason)
            and (self.before is None or letter.failed_at < clock.iso(self.before))
            and (self.since is None or letter.failed_at >= clock.iso(self.since))
            # Rows show texts of messages redacted and cut.
            and (not self.tenant or letter.tenant == excerpt(self.tenant, SHORT))
            and (not self.entity or letter.target == excerpt(self.entity, SHORT))
        )

    def data(self) -> dict[str, str]:
        texts = {name: getattr(self, name) for name in ("job", "fingerprint", "reason", "tenant", "entity")}
        times = {"before": self.before, "since": self.since}
        given = {name: clock.iso(at) for name, at in times.items() if at is not None}
        return {name: value for name, value in texts.items() if value} | given


ALL_DEAD_LETTERS = DeadLetterFilter()


@dataclass(slots=True)
class DeadLetterGroup:
    """Dead letters of one fingerprint, which are all of one job."""

    fingerprint: str
    job: str
    #: id, error and reason of the dead letter that failed last.
    id: str = ""
    error: str = ""
    reason: str = ""
    #: Timestamps of the first and the last failure.
    first: str = ""
    last: str = ""
    #: The most attempts of any of them.
    attempts: int = 0
    count: int = 0
    states: Counter[str] = field(default_factory=Counter)
    #: Ids of the organizations.
    tenants: set[str] = field(default_factory=set)

    def add(self, letter: DeadLetter) -> None:
        self.count += 1
        self.states[letter.state] += 1
        self.tenants |= {letter.tenant} - {""}
        self.attempts = max(self.attempts, letter.attempts)
        self.first = min(self.first or letter.at, letter.at)
        if letter.failed_at >= self.last:
            self.last, self.id, self.error, self.reason = letter.failed_at, letter.id, letter.error, letter.reason

    def data(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in DeadLetterGroup.__slots__} | {
            "states": dict(self.states),
            "tenants": sorted(self.tenants),
        }


def jobs_with_dead_letters(cloud: Cloud) -> list[str]:
    """List the jobs that have had dead letters, removed jobs included."""
    return [item["sk"] for item in _query(cloud, keys.jobs_with_dead_letters(), {})]


def record_job(cloud: Cloud, job: str) -> None:
    """Record that a job has dead letters.

    The record lasts for the retention of those of one day.
    """
    expires = int((cloud.clock.now() + timedelta(days=1) + RETENTION).timestamp())
    table.put(cloud, STATE, {**keys.job_with_dead_letters(job).attributes, TTL: expires})


def dead_letters(
    cloud: Cloud, matching: DeadLetterFilter = ALL_DEAD_LETTERS, id_prefix: str = ""
) -> Iterator[DeadLetter]:
    """Yield the dead letters that match.

    Job by job, the oldest first; those of an organization by an index, the newest first.
    """
    if matching.tenant:
        since = matching.since or cloud.clock.now() - RETENTION
        rows = failure_index.of_tenant(cloud, matching.tenant, since)
        letters = (DeadLetter.from_row(row) for row in rows if failure_index.kind(row) == failure_index.DEAD_LETTER)
        yield from (letter for letter in letters if letter in matching and letter.id.startswith(id_prefix))
        return
    prefixes = {"fingerprint": matching.fingerprint, "reason": matching.reason, "id": id_prefix}
    prefixes = {name: value for name, value in prefixes.items() if value}
    for job in [matching.job] if matching.job else jobs_with_dead_letters(cloud):
        for row in _query(cloud, keys.dead_letters(job), prefixes):
            letter = DeadLetter.from_row(row)
            if letter in matching:
                yield letter


def newest(cloud: Cloud, matching: DeadLetterFilter, queries: int) -> tuple[list[DeadLetter], bool]:
    """Read the newest dead letters of all jobs that match.

    Returns them, and whether there are more. A query reads over 1,000 dead letters. Eventually consistent.
    """
    rows, more = failure_index.dead_letters(cloud, queries)
    letters = map(DeadLetter.from_row, rows)
    return [letter for letter in letters if letter in matching], more


def group_by_fingerprint(letters: Iterable[DeadLetter]) -> list[DeadLetterGroup]:
    """Group by fingerprint, the largest group first.

    Memory grows with the number of groups only.
    """
    groups: dict[str, DeadLetterGroup] = {}
    for letter in letters:
        groups.setdefault(letter.fingerprint, DeadLetterGroup(letter.fingerprint, letter.job)).add(letter)
    return sorted(groups.values(), key=lambda group: (group.count, group.last), reverse=True)


def find(cloud: Cloud, id_prefix: str, job: str = "") -> DeadLetter:
    """Find the one dead letter whose id has this prefix.

    job: its job, if it is known: then one query. Raises UnknownDeadLetter.
    """
    matches = list(dead_letters(cloud, DeadLetterFilter(job=job), id_prefix)) if id_prefix else []
    if len(matches) == 1:
        return matches[0]
    if not matches:
        raise UnknownDeadLetter(f"there is no dead letter {id_prefix!r:.60}; {list_hint(cloud.names.stage)}")
    several = ", ".join(f"{letter.id} of {letter.job}" for letter in matches[:5])
    raise UnknownDeadLetter(
        f"{len(matches)} dead letters have ids that begin with {id_prefix!r}: {several}; give a longer prefix"
    )


def read(cloud: Cloud, job_and_keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], DeadLetter]:
    """Read dead letters by job and sort key.

    100 per call; deleted ones are left out.
    """
    rows = batch_get_rows(cloud, STATE, (keys.dead_letter(job, key) for job, key in job_and_keys))
    return {(letter.job, letter.key): letter for letter in map(DeadLetter.from_row, rows)}


def list_hint(stage: str) -> str:
    """Return the part of an error message that advises `dead list`."""
    return f"`{advised(stage, 'dead', 'list')}` lists all dead letters"


def payload_url(cloud: Cloud, letter: DeadLetter) -> str:
    return f"s3://{cloud.names.bucket}/{letter.payload}"


def read_payload(cloud: Cloud, letter: DeadLetter) -> str:
    """Read the payload as it was received.

    Raises DeadLetterRefused if it is missing.
    """
    from botocore.exceptions import ClientError

    try:
        answer = cloud.s3.get_object(Bucket=cloud.names.bucket, Key=letter.payload)
    except ClientError as error:
        # S3 answers 403 for a missing object to a role that cannot list the bucket.
        if error.response["Error"]["Code"] not in ("NoSuchKey", "AccessDenied"):
            raise
        raise DeadLetterRefused(
            f"dead letter {letter.id}: its payload {payload_url(cloud, letter)} is missing, and without it the dead "
            f"letter cannot be redriven; restore an older version of the object if there is one"
        ) from None
    return answer["Body"].read().decode()


def _query(cloud: Cloud, pk: str, prefixes: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Yield unexpired rows whose attributes have these prefixes."""
    conditions = [f"#{TTL} > :now", *(f"begins_with(#{name}, :{name})" for name in prefixes)]
    values = {":pk": pk, ":now": int(cloud.clock.now().timestamp())}
    return table.query(
        cloud,
        STATE,
        "pk = :pk",
        values | {f":{name}": value for name, value in prefixes.items()},
        names={f"#{name}": name for name in (TTL, *prefixes)},
        patient=True,
        FilterExpression=" AND ".join(conditions),
        Limit=PAGE,
    )
