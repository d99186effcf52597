"""Where dead letters are: `dead#<job>` / `<instant>#<id>`, and `dead` / `<job>` for every job that has had one.

All is read by queries, for each job a page of 1,000 after the other. A row takes 0.6 to 0.9 KB: to look at 10,000
letters takes 700 to 1,100 read units, a hundredth of a cent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.advised_commands import advised
from shared.aws import attributes
from shared.aws.names import STATE
from shared.dead_letters.letter import KEPT, DeadLetter, DeadLetterRefused, UnknownDeadLetter, row_key
from shared.tables import TTL

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

JOBS = "dead"
# DynamoDB's limit for one BatchGetItem.
KEYS_AT_ONCE = 100
# Rows read at once: memory for a page of them, whatever there is.
PAGE = 1000


@dataclass(frozen=True, slots=True)
class Which:
    """Letters that are meant: all of these hold. before: the last death was earlier. reason: how it begins."""

    job: str = ""
    fingerprint: str = ""
    before: datetime | None = None
    reason: str = ""

    def __bool__(self) -> bool:
        return bool(self.job or self.fingerprint or self.before or self.reason)

    def __contains__(self, letter: DeadLetter) -> bool:
        return (
            self.job in ("", letter.job)
            and self.fingerprint in ("", letter.fingerprint)
            and letter.reason.startswith(self.reason)
            and (self.before is None or letter.failed_at < clock.iso(self.before))
        )

    def data(self) -> dict[str, str]:
        given = {"job": self.job, "fingerprint": self.fingerprint, "reason": self.reason}
        before = {"before": clock.iso(self.before)} if self.before else {}
        return {name: value for name, value in given.items() if value} | before


ALL = Which()


@dataclass(slots=True)
class Group:
    """Letters of one fingerprint, which has its job in it. id, error, reason: of the one that died last."""

    fingerprint: str
    job: str
    id: str = ""
    error: str = ""
    reason: str = ""
    first: str = ""
    last: str = ""
    attempts: int = 0
    count: int = 0
    states: Counter[str] = field(default_factory=Counter)

    def add(self, letter: DeadLetter) -> None:
        self.count += 1
        self.states[letter.state] += 1
        self.attempts = max(self.attempts, letter.attempts)
        self.first = min(self.first or letter.at, letter.at)
        if letter.failed_at >= self.last:
            self.last, self.id, self.error, self.reason = letter.failed_at, letter.id, letter.error, letter.reason

    def data(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in Group.__slots__} | {"states": dict(self.states)}


def jobs(cloud: Cloud) -> list[str]:
    """Those that have had letters, also where there is no such job any more."""
    return [item["sk"] for item in _query(cloud, JOBS, {})]


def note(cloud: Cloud, job: str) -> None:
    """That it has letters; to be said again for those of another day."""
    expires = int((cloud.clock.now() + timedelta(days=1) + KEPT).timestamp())
    item = attributes.row({"pk": JOBS, "sk": job, TTL: expires})
    cloud.dynamodb.put_item(TableName=cloud.names.table(STATE), Item=item)


def letters(cloud: Cloud, which: Which = ALL, beginning: str = "") -> Iterator[DeadLetter]:
    """The letters that are meant, by job, the eldest first. beginning: of the id."""
    wanted = {"fingerprint": which.fingerprint, "reason": which.reason, "id": beginning}
    begins = {name: value for name, value in wanted.items() if value}
    for job in [which.job] if which.job else jobs(cloud):
        yield from (letter for letter in map(DeadLetter.of, _query(cloud, f"dead#{job}", begins)) if letter in which)


def groups(found: Iterable[DeadLetter]) -> list[Group]:
    """By fingerprint, the largest first. Memory grows with the kinds of failure, not with the letters."""
    made: dict[str, Group] = {}
    for letter in found:
        made.setdefault(letter.fingerprint, Group(letter.fingerprint, letter.job)).add(letter)
    return sorted(made.values(), key=lambda group: (group.count, group.last), reverse=True)


def find(cloud: Cloud, beginning: str) -> DeadLetter:
    """The one whose id begins so. Raises UnknownDeadLetter where none or several do."""
    found = list(letters(cloud, beginning=beginning)) if beginning else []
    if len(found) == 1:
        return found[0]
    if not found:
        raise UnknownDeadLetter(f"there is no dead letter {beginning!r:.60}; {listing(cloud.names.stage)}")
    several = ", ".join(f"{letter.id} of {letter.job}" for letter in found[:5])
    raise UnknownDeadLetter(
        f"{len(found)} dead letters have ids that begin with {beginning!r}: {several}; say more of it"
    )


def read(cloud: Cloud, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], DeadLetter]:
    """As they stand now, by job and key; those that are gone are left out. 100 at once."""
    table, wanted = cloud.names.table(STATE), list(keys)
    found: dict[tuple[str, str], DeadLetter] = {}
    for start in range(0, len(wanted), KEYS_AT_ONCE):
        left: Any = [row_key(*each) for each in wanted[start : start + KEYS_AT_ONCE]]
        while left:
            answer = cloud.dynamodb.batch_get_item(RequestItems={table: {"Keys": left, "ConsistentRead": True}})
            for letter in map(DeadLetter.of, map(attributes.plain, answer["Responses"].get(table, []))):
                found[letter.job, letter.key] = letter
            left = answer["UnprocessedKeys"].get(table, {"Keys": []})["Keys"]
    return found


def listing(stage: str) -> str:
    """Where to look, as errors advise it."""
    return f"`{advised(stage, 'dead', 'list')}` shows what there is"


def where(cloud: Cloud, letter: DeadLetter) -> str:
    return f"s3://{cloud.names.bucket}/{letter.payload}"


def content(cloud: Cloud, letter: DeadLetter) -> str:
    """The payload, as it was received. Raises DeadLetterRefused where it is gone."""
    try:
        answer = cloud.s3.get_object(Bucket=cloud.names.bucket, Key=letter.payload)
    except cloud.s3.exceptions.NoSuchKey:
        raise DeadLetterRefused(
            f"dead letter {letter.id}: its payload is missing, {where(cloud, letter)}; "
            f"without it, it cannot be sent again. An older version of the object may be restored"
        ) from None
    return answer["Body"].read().decode()


def _query(cloud: Cloud, pk: str, begins: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Rows that have not expired; those whose attributes begin so."""
    wanted = [f"#{TTL} > :now", *(f"begins_with(#{name}, :{name})" for name in begins)]
    values = {":pk": pk, ":now": int(cloud.clock.now().timestamp())}
    pages = cloud.bulk.get_paginator("query").paginate(
        TableName=cloud.names.table(STATE),
        KeyConditionExpression="pk = :pk",
        FilterExpression=" AND ".join(wanted),
        ExpressionAttributeNames={f"#{name}": name for name in (TTL, *begins)},
        ExpressionAttributeValues=attributes.row(values | {f":{name}": value for name, value in begins.items()}),
        PaginationConfig={"PageSize": PAGE},
    )
    for page in pages:
        yield from map(attributes.plain, page["Items"])
