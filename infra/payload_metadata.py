"""Metadata of a consumer's queue: the payload versions that the consumer reads.

`preflight` compares it with that of the deployed template.
"""

from __future__ import annotations

from typing import Any

from shared.job.definition import Job

METADATA = "nightshift:payload"


def of(job: Job) -> dict[str, Any] | None:
    """Type, version, and the versions that are read; None without a payload."""
    payload = getattr(job, "payload", None)
    if payload is None:
        return None
    wire = payload.wire
    reads = [wire.version]
    while reads[0] - 1 in wire.upcasters:
        reads.insert(0, reads[0] - 1)
    return {"type": wire.type, "version": wire.version, "reads": reads}
