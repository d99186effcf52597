"""Structured logs: one JSON object a line, every value through the filter, the run's identity on each."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from shared import clock, redaction
from shared.aws.names import PRODUCTION
from shared.clock import Clock

NAMESPACE = "Nightshift"


def to_stdout(line: str) -> None:
    # One write: lines of threads must not mix.
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def to_stderr(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


class Log:
    """Fields given to `bind` are on every line: job, jobId, entityId, correlationId, organizationId."""

    def __init__(self, write: Callable[[str], None] = to_stdout, time: Clock | None = None, **fields: Any) -> None:
        self.write = write
        self.time = time or Clock()
        # Filtered here, once, and not on each line.
        self.fields: dict[str, Any] = redaction.data(fields)

    def bind(self, **fields: Any) -> Log:
        bound = Log(self.write, self.time, **fields)
        bound.fields = self.fields | bound.fields
        return bound

    def info(self, message: str, **fields: Any) -> None:
        self._line("INFO", message, fields)

    def warning(self, message: str, **fields: Any) -> None:
        self._line("WARNING", message, fields)

    def error(self, message: str, **fields: Any) -> None:
        self._line("ERROR", message, fields)

    def metric(self, job: str, values: Mapping[str, float]) -> None:
        """One line in CloudWatch's embedded metric format, per job and in total; `Duration` is in milliseconds."""
        from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider

        provider = AmazonCloudWatchEMFProvider(namespace=NAMESPACE, service="")
        stage = os.environ.get("NIGHTSHIFT_STAGE", PRODUCTION)
        provider.add_dimension("job", redaction.text(job))
        provider.add_dimension("stage", stage)
        provider.add_dimensions(stage=stage)
        for name, value in values.items():
            provider.add_metric(name, "Milliseconds" if name == "Duration" else "Count", value)
        self.write(json.dumps(provider.serialize_metric_set()))

    def _line(self, level: str, message: str, fields: Mapping[str, Any]) -> None:
        head = {"level": level, "message": redaction.text(message), "timestamp": clock.iso(self.time.now())}
        self.write(json.dumps({**head, **self.fields, **redaction.data(fields)}))
