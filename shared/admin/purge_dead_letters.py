"""Throwing dead letters away, many at once: what a filter means is counted first; never none, never all by mistake."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.admin import audit
from shared.aws import attributes
from shared.aws.names import STATE
from shared.dead_letters import store
from shared.dead_letters.letter import DeadLetter, DeadLetterRefused, row_key
from shared.dead_letters.letter import unchanged as as_read
from shared.dead_letters.store import DeadLetterFilter, DeadLetterGroup

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

# Deleted together, first the rows and then their payloads; the most that one call of S3 takes is 1,000.
BATCH = 500
THREADS = 16


@dataclass(slots=True)
class PurgePreview:
    """What a filter means, by fingerprint. others: letters that it leaves; on_their_way: which it would mean, were they
    not being sent again."""

    groups: list[DeadLetterGroup]
    count: int = 0
    others: int = 0
    on_their_way: int = 0

    def data(self) -> dict[str, Any]:
        counts = {"count": self.count, "others": self.others, "on_their_way": self.on_their_way}
        return counts | {"groups": [group.data() for group in self.groups]}


@dataclass(slots=True)
class PurgeResult:
    """moved: letters that had been sent again, or died again, since they were looked at; they stay."""

    purged: int = 0
    moved: int = 0
    scope: dict[str, str] = field(default_factory=dict)

    def data(self) -> dict[str, Any]:
        return asdict(self)


def preview(cloud: Cloud, which: DeadLetterFilter, everything: bool = False) -> PurgePreview:
    """Read all dead letters and count those that match.

    Raises DeadLetterRefused for an empty filter, for one that matches nothing, and for one that matches everything
    unless `everything` is true.
    """
    if not which and not everything:
        raise DeadLetterRefused("an empty filter means every dead letter; say which, or that you mean all: --all --yes")
    found = PurgePreview([])
    found.groups = store.group_by_fingerprint(_sorted_out(cloud, which, found))
    if not found.count:
        being = f", but for {found.on_their_way} that are on their way again" if found.on_their_way else ""
        raise DeadLetterRefused(
            f"no dead letter is meant by {_told(which)}{being}; {store.list_hint(cloud.names.stage)}"
        )
    if not found.others and not found.on_their_way and not everything:
        raise DeadLetterRefused(
            f"{_told(which)} means every dead letter there is, {found.count} in all; if you do, say so: --all --yes"
        )
    return found


def purge(
    cloud: Cloud,
    which: DeadLetterFilter,
    who: str,
    reason: str,
    everything: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> PurgeResult:
    """Delete the letters that are meant, and their payloads. Those that come in from now on are not touched.

    Raises DeadLetterRefused and audit.ReasonMissing, before anything is deleted.
    """
    started = clock.iso(cloud.clock.now())
    preview(cloud, which, everything)
    done = PurgeResult(scope=which.data())
    with (
        audit.OperatorAuditEntry(cloud, "dead purge", who, reason, which.data() or {"all": "yes"}) as written,
        ThreadPoolExecutor(THREADS, "purge") as pool,
    ):
        found = (letter for letter in store.dead_letters(cloud, which) if _free(letter, started))
        while chunk := list(islice(found, BATCH)):
            gone = [letter for letter, left in zip(chunk, pool.map(_deleted(cloud), chunk), strict=True) if left]
            done.moved += len(chunk) - len(gone)
            _forget(cloud, gone)
            for letter in gone:
                written.add(letter.id)
            done.purged = written.count
            tell(f"{done.purged} purged")
    return done


def _sorted_out(cloud: Cloud, which: DeadLetterFilter, found: PurgePreview) -> Iterator[DeadLetter]:
    now = clock.iso(cloud.clock.now())
    for letter in store.dead_letters(cloud):
        if letter not in which:
            found.others += 1
        elif not _free(letter, now):
            found.on_their_way += 1
        else:
            found.count += 1
            yield letter


def _free(letter: DeadLetter, now: str) -> bool:
    return not letter.is_retrying(now) and letter.failed_at <= now


def _deleted(cloud: Cloud) -> Callable[[DeadLetter], bool]:
    """Whether the row was as it had been read, and is gone now; a repeat after a lost reply finds it gone."""
    table = cloud.names.table(STATE)

    def delete(letter: DeadLetter) -> bool:
        unchanged, names, values = as_read(letter)
        try:
            cloud.dynamodb.delete_item(
                TableName=table,
                Key=row_key(letter.job, letter.key),
                ConditionExpression=f"attribute_not_exists(pk) OR ({unchanged})",
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=attributes.row(values),
            )
        except cloud.ConditionalCheckFailed:
            return False
        return True

    return delete


def _forget(cloud: Cloud, gone: Sequence[DeadLetter]) -> None:
    # After the rows: a letter that moved on meanwhile needs its payload. What a crash in between leaves in the bucket,
    # its lifecycle removes.
    objects: Any = [{"Key": letter.payload} for letter in gone]
    if not objects:
        return
    answer = cloud.s3.delete_objects(Bucket=cloud.names.bucket, Delete={"Objects": objects, "Quiet": True})
    failed = answer.get("Errors", [])
    if failed:
        raise OSError(f"{len(failed)} payloads were not deleted, {failed[0].get('Key')}: {failed[0].get('Message')}")


def _told(which: DeadLetterFilter) -> str:
    given = ", ".join(f"{name} {value}" for name, value in which.data().items())
    return f"the filter ({given})" if given else "the empty filter"
