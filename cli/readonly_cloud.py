"""A cloud whose clients refuse every write.

`--dry-run` passes it to a job's plan.
"""

from __future__ import annotations

from typing import Any

from cli.exit_codes import CommandError, Exit
from shared.aws.cloud import Cloud

READ_PREFIXES = ("Get", "BatchGet", "Query", "List", "Head", "Describe")


class WriteRefused(CommandError):
    """A plan() tried to write, which is a fault of the job."""

    def __init__(self, call: str) -> None:
        super().__init__(Exit.FAILED, f"plan() calls {call}, but a plan may only read. Nothing was written")


def readonly(cloud: Cloud) -> Cloud:
    """A copy of the cloud whose clients raise WriteRefused on every write."""
    copy = Cloud(cloud.names, cloud.clock, cloud.environment)
    # Raised before the request is built; the event reaches every client of the session.
    copy.session.events.register("before-parameter-build", _refuse_writes)
    return copy


def _refuse_writes(**event: Any) -> None:
    model = event["model"]
    if not model.name.startswith(READ_PREFIXES):
        raise WriteRefused(f"{model.service_model.service_name}:{model.name}")
