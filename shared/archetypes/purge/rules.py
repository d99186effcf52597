"""Rules for the declaration of a purge."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from shared.job.validation import Rule, methods

DEFINITION = "shared.archetypes.purge.definition"


def _indexed(job: Any) -> set[str]:
    """Attributes that the purge's index includes."""
    [index] = (index for index in job.table.indexes if index.name == job.index)
    return {job.table.pk, job.table.sk, index.pk, index.sk, *index.include}


def _partitions(job: Any) -> set[int]:
    """Number of partitions of the purge's index; of none, 0."""
    return {index.shards for index in job.table.indexes if index.name == job.index} or {0}


RULES: tuple[Rule, ...] = (
    (lambda job: not hasattr(job, "table"), "declares no table; table = one of shared/tables.py"),
    (
        lambda job: not isinstance(getattr(job, "keep", None), timedelta) or job.keep < timedelta(0),
        "declares no retention; keep = days(30), or days(0) where the index has the time at which rows expire",
    ),
    (
        lambda job: job.kinds and not (job.index and all(re.fullmatch("[a-z]+", kind) for kind in job.kinds)),
        "declares the kinds {job.kinds}; a kind is a lower-case word, and needs an index by age",
    ),
    (
        lambda job: job.index and job.index not in {index.name for index in job.table.indexes},
        "table {job.table.name!r} has no index {job.index!r} by age; declare it in shared/tables.py",
    ),
    (
        lambda job: not job.index and "partitions" not in methods(job, DEFINITION),
        'index is "", the table\'s own key, and partitions(run) is missing, which returns the partitions to read',
    ),
    (
        lambda job: (
            job.warn is not None and not (job.index and timedelta(0) < job.warn < min((job.keep, *job.kinds.values())))
        ),
        "warns {job.warn} before deletion; that needs an index, and must be less than the retention of {job.keep}",
    ),
    (
        lambda job: job.warn is not None and not {"warning", "send"} <= methods(job, DEFINITION),
        "warns, and has no warning(row) or no send(run, message, token)",
    ),
    (
        lambda job: not all(folder.endswith("/") and len(folder) > 1 for folder in job.objects.values()),
        "deletes objects of {job.objects}; name the folder of each, as in {{'raw': 'mail/'}}",
    ),
    (
        lambda job: job.warn is not None and job.effects is None,
        "warns, and declares no retention of effects; effects = days(60)",
    ),
    (
        lambda job: job.index and not _indexed(job).issuperset((*job.holds, *job.reads, *job.objects)),
        "holds or reads an attribute that the index {job.index!r} does not include; add it there",
    ),
    (
        lambda job: job.index and job.shards > min(_partitions(job)),
        "has {job.shards} shards, more than partitions of the index {job.index!r}; give the index as many",
    ),
    (lambda job: job.most < 1, "most is {job.most}; a tick must be allowed at least 1 row"),
    (lambda job: job.timeout < 30, "timeout is {job.timeout} s; a purge reserves 10 for its end: give it at least 30"),
)
