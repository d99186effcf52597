"""Structured logs and metrics: one redacted JSON line each.

Lines are formatted by Powertools' Logger, metrics by Powertools' Metrics. `Log` is the interface that jobs use: it
binds fields to one run and not to the process, and writes to the destination that its creator chose.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter
from aws_lambda_powertools.metrics import EphemeralMetrics

from shared import clock, redaction
from shared.aws.names import PRODUCTION
from shared.clock import Clock

NAMESPACE = "Nightshift"
LOGGER = "nightshift"


def to_stdout(line: str) -> None:
    # One write: lines of threads must not mix.
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def to_stderr(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


@dataclass(frozen=True, slots=True)
class LogFields:
    """What `Log` adds to a log record, as its attribute `entry`."""

    write: Callable[[str], None]
    timestamp: str
    #: Fields of the run, redacted when they were bound.
    bound: Mapping[str, Any]
    #: Fields of this line, not redacted yet.
    fields: Mapping[str, Any]


class RedactingFormatter(LambdaPowertoolsFormatter):
    """Format a record as Powertools does, with its message and fields redacted."""

    def __init__(self) -> None:
        super().__init__(
            json_serializer=json.dumps,
            # Powertools decodes messages that are JSON, and then drops the key of a message `null`.
            json_deserializer=str,
            log_record_order=["level", "message", "timestamp"],
            location=None,
            xray_trace_id=None,
        )

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - logging's name
        return _entry(record).timestamp

    def serialize(self, log: Any) -> str:
        entry: LogFields = log.pop("entry")
        head = {**log, "message": redaction.text(log["message"])}
        return super().serialize({**head, **entry.bound, **redaction.data(entry.fields)})


class EntryHandler(logging.Handler):
    """Write each line to the destination of its entry.

    An error is raised: `logging` would print the record.
    """

    def emit(self, record: logging.LogRecord) -> None:
        _entry(record).write(self.format(record))


def _entry(record: logging.LogRecord) -> LogFields:
    entry: LogFields = record.__dict__["entry"]
    return entry


def _logger() -> Logger:
    logger = Logger(LOGGER, level="INFO", logger_formatter=RedactingFormatter(), logger_handler=EntryHandler())
    logger.remove_keys(["service", "sampling_rate"])
    # The root logger has handlers of Lambda's runtime or of Celery, which would write each line again.
    logging.getLogger(LOGGER).propagate = False
    return logger


POWERTOOLS = _logger()


class Log:
    """Log lines with bound fields: job, jobId, entityId, correlationId, organizationId."""

    def __init__(self, write: Callable[[str], None] = to_stdout, time: Clock | None = None, **fields: Any) -> None:
        self.write = write
        self.time = time or Clock()
        # Redacted once, and not on each line.
        self.fields: dict[str, Any] = redaction.data(fields)

    def bind(self, **fields: Any) -> Log:
        """Return a log with these fields added to each line."""
        bound = Log(self.write, self.time, **fields)
        bound.fields = self.fields | bound.fields
        return bound

    def info(self, message: str, **fields: Any) -> None:
        POWERTOOLS.info(message, extra=self._extra(fields))

    def warning(self, message: str, **fields: Any) -> None:
        POWERTOOLS.warning(message, extra=self._extra(fields))

    def error(self, message: str, **fields: Any) -> None:
        POWERTOOLS.error(message, extra=self._extra(fields))

    def metric(self, job: str, values: Mapping[str, float]) -> None:
        """Write metrics in CloudWatch's embedded metric format (EMF).

        Counts, and `Duration` in milliseconds; per job and in total.
        """
        # `Metrics` shares its state between all instances of a process, and its runs may be threads of one worker.
        metrics = EphemeralMetrics(namespace=NAMESPACE, service="")
        stage = os.environ.get("NIGHTSHIFT_STAGE", PRODUCTION)
        metrics.add_dimension("job", redaction.text(job))
        metrics.add_dimension("stage", stage)
        metrics.add_dimensions(stage=stage)
        for name, value in values.items():
            metrics.add_metric(name, "Milliseconds" if name == "Duration" else "Count", value)
        # Not flush_metrics(), which prints to stdout: `--json` promises one document there.
        self.write(json.dumps(metrics.serialize_metric_set()))

    def _extra(self, fields: Mapping[str, Any]) -> dict[str, LogFields]:
        return {"entry": LogFields(self.write, clock.iso(self.time.now()), self.fields, fields)}
