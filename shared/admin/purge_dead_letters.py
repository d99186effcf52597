"""Delete the dead letters that match a filter.

A filter must match some, and may match all only on request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.admin import audit
from shared.dead_letters import store
from shared.dead_letters.letter import DeadLetter, DeadLetterRefused, unchanged
from shared.dead_letters.store import DeadLetterFilter, DeadLetterGroup
from shared.store import keys, table
from shared.tables import STATE

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

# Dead letters deleted together, first the rows and then their payloads; S3 deletes at most 1,000 objects per call.
BATCH = 500
THREADS = 16


@dataclass(slots=True)
class PurgePreview:
    """The dead letters that a purge would delete."""

    groups: list[DeadLetterGroup]
    #: Dead letters that would be deleted.
    count: int = 0
    #: Dead letters that do not match.
    others: int = 0
    #: Dead letters that match, and stay because they are being redriven.
    retrying: int = 0

    def data(self) -> dict[str, Any]:
        counts = {"count": self.count, "others": self.others, "on_their_way": self.retrying}
        return counts | {"groups": [group.data() for group in self.groups]}


@dataclass(slots=True)
class PurgeResult:
    """The number of deleted dead letters."""

    purged: int = 0
    #: Dead letters that stay, since they were redriven or failed again after they were read.
    moved: int = 0
    scope: dict[str, str] = field(default_factory=dict)

    def data(self) -> dict[str, Any]:
        return asdict(self)


def preview(cloud: Cloud, matching: DeadLetterFilter, everything: bool = False) -> PurgePreview:
    """Read all dead letters and count those that match.

    Raises DeadLetterRefused for an empty filter, for one that matches nothing, and for one that matches everything
    unless `everything` is true.
    """
    if not matching and not everything:
        raise DeadLetterRefused("an empty filter matches every dead letter; add a filter, or --all --yes to delete all")
    result = PurgePreview([])
    result.groups = store.group_by_fingerprint(_count(cloud, matching, result))
    if not result.count:
        excluded = f", except {result.retrying} that are being redriven" if result.retrying else ""
        hint = store.list_hint(cloud.names.stage)
        raise DeadLetterRefused(f"no dead letter matches {_described(matching)}{excluded}; {hint}")
    if not result.others and not result.retrying and not everything:
        raise DeadLetterRefused(
            f"{_described(matching)} matches every dead letter, {result.count} in all; add --all --yes to delete all"
        )
    return result


def purge(
    cloud: Cloud,
    matching: DeadLetterFilter,
    operator: str,
    reason: str,
    everything: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> PurgeResult:
    """Delete the matching dead letters and their payloads.

    Those stored from now on stay. Raises DeadLetterRefused and audit.ReasonMissing, before anything is deleted.
    """
    started = clock.iso(cloud.clock.now())
    preview(cloud, matching, everything)
    result = PurgeResult(scope=matching.data())
    with (
        audit.OperatorAuditEntry(cloud, "dead purge", operator, reason, matching.data() or {"all": "yes"}) as entry,
        ThreadPoolExecutor(THREADS, "purge") as pool,
    ):
        letters = (letter for letter in store.dead_letters(cloud, matching) if _deletable(letter, started))
        while batch := list(islice(letters, BATCH)):
            deletions = pool.map(lambda letter: _delete(cloud, letter), batch)
            deleted = [letter for letter, done in zip(batch, deletions, strict=True) if done]
            result.moved += len(batch) - len(deleted)
            _delete_payloads(cloud, deleted)
            for letter in deleted:
                entry.add(letter.id)
            result.purged = entry.count
            progress(f"{result.purged} purged")
    return result


def _count(cloud: Cloud, matching: DeadLetterFilter, result: PurgePreview) -> Iterator[DeadLetter]:
    now = clock.iso(cloud.clock.now())
    for letter in store.dead_letters(cloud):
        if letter not in matching:
            result.others += 1
        elif not _deletable(letter, now):
            result.retrying += 1
        else:
            result.count += 1
            yield letter


def _deletable(letter: DeadLetter, now: str) -> bool:
    return not letter.is_retrying(now) and letter.failed_at <= now


def _delete(cloud: Cloud, letter: DeadLetter) -> bool:
    """Delete the row if it is unchanged, or gone already.

    A repeat after a lost reply finds it gone.
    """
    condition, names, values = unchanged(letter)
    key = keys.dead_letter(letter.job, letter.key)
    condition = f"attribute_not_exists(pk) OR ({condition})"
    return table.delete(cloud, STATE, key, condition=condition, values=values, names=names)


def _delete_payloads(cloud: Cloud, letters: Sequence[DeadLetter]) -> None:
    # After the rows: a dead letter that was redriven concurrently needs its payload. What a crash in between leaves in
    # the bucket, its lifecycle rule deletes.
    objects: Any = [{"Key": letter.payload} for letter in letters]
    if not objects:
        return
    answer = cloud.s3.delete_objects(Bucket=cloud.names.bucket, Delete={"Objects": objects, "Quiet": True})
    failed = answer.get("Errors", [])
    if failed:
        raise OSError(f"{len(failed)} payloads were not deleted, {failed[0].get('Key')}: {failed[0].get('Message')}")


def _described(matching: DeadLetterFilter) -> str:
    conditions = ", ".join(f"{name} {value}" for name, value in matching.data().items())
    return f"the filter ({conditions})" if conditions else "the empty filter"
