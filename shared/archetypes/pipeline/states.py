"""States of a request that a pipeline processes."""

from __future__ import annotations

from enum import StrEnum


class WorkState(StrEnum):
    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
