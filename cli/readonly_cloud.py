"""A cloud that cannot be changed: what `--dry-run` gives to a job's plan."""

from __future__ import annotations

from typing import Any

from cli.exit_codes import Exit, Stop
from shared.aws.cloud import Cloud

READS = ("Get", "BatchGet", "Query", "List", "Head", "Describe")


class WriteRefused(Stop):
    """A plan that would change something; it is a fault of the job."""

    def __init__(self, call: str) -> None:
        super().__init__(Exit.FAILED, f"plan() calls {call}; it may read, and no more. Nothing was written")


def only_reading(cloud: Cloud) -> Cloud:
    """The same cloud with clients of its own, on which every call but a read raises WriteRefused."""
    made = Cloud(cloud.names, cloud.clock, cloud.environment)
    # Before a request is built, let alone sent; the event reaches every client of the session.
    made.session.events.register("before-parameter-build", _refuse_writes)
    return made


def _refuse_writes(**call: Any) -> None:
    model = call["model"]
    if not model.name.startswith(READS):
        raise WriteRefused(f"{model.service_model.service_name}:{model.name}")
