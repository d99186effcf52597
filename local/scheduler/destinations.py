"""Asynchronous invocation as in Lambda: attempts, retries, failure records.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html has the record,
https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html the retries. ministack's own gives
each attempt another request id, always reports three attempts, and counts a throttled event as an attempt.
"""

from __future__ import annotations

import contextvars
import json
import logging
import threading
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from local.engine import emulator

LOG = logging.getLogger(__name__)
# Lambda waits one minute, then two, and up to five minutes when throttled. Here they are seconds.
RETRY_SECONDS = (1.0, 2.0)
THROTTLED_SECONDS = 1.0

_running: list[threading.Thread] = []
_closing = threading.Event()


@dataclass(slots=True)
class Invocation:
    """Event in Lambda's internal queue. `func` is ministack's record of the function."""

    func: Any
    event: Any
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    attempts: int = 0
    result: dict[str, Any] = field(default_factory=dict)

    @property
    def config(self) -> Any:
        return self.func.get("config") or self.func

    @property
    def policy(self) -> Any:
        """Event invoke config. ministack stores one per qualifier; templates use $LATEST."""
        configs = self.func.get("event_invoke_configs") or {}
        return configs.get("$LATEST") or configs.get("") or {}

    def run(self) -> None:
        """Attempt until success or the last attempt, then notify the destination."""
        retries = self.policy.get("MaximumRetryAttempts")
        retries = 2 if retries is None else int(retries)
        expires = time.monotonic() + int(self.policy.get("MaximumEventAgeInSeconds") or 21_600)
        while True:
            self.result = self.attempt()
            if not self.result.get("error"):
                return
            if self.result.get("recursive"):
                condition, retry, delay = "RetriesExhausted", False, 0.0
            elif self.result.get("throttle"):
                # Not an attempt: the function did not receive the event.
                condition, delay = "EventAgeExceeded", THROTTLED_SECONDS
                retry = emulator.service("lambda_svc")._reserved_concurrency(self.func, self.config) != 0
            else:
                self.attempts += 1
                condition = "RetriesExhausted"
                retry = self.attempts <= retries
                delay = RETRY_SECONDS[min(self.attempts, len(RETRY_SECONDS)) - 1]
            if retry and time.monotonic() + delay > expires:
                retry, condition = False, "EventAgeExceeded"
            if not retry or _closing.wait(delay):
                break
        try:
            self.report_failure(condition)
        except Exception:
            # The record is lost on AWS as well, and counted as a DestinationDeliveryFailure.
            LOG.exception(
                "%s: the failure record of %s could not be delivered", self.config["FunctionName"], self.request_id
            )

    def attempt(self) -> dict[str, Any]:
        """ministack's `_execute_function` with a fixed request id."""
        functions = emulator.service("lambda_svc")
        slot, limit = functions._acquire_execution_slot(self.func, self.config)
        if slot is None:
            return {"error": True, "throttle": True, "limit": limit}
        try:
            result: dict[str, Any] = functions._execute_function_dispatch(
                self.func, self.config, self.event, self.request_id, time.time()
            )
        finally:
            functions._release_execution_slot(slot)
        functions._emit_lambda_metrics(self.config["FunctionName"], 0.0, bool(result.get("error")), False)
        return result

    def report_failure(self, condition: str) -> None:
        failure = (self.policy.get("DestinationConfig") or {}).get("OnFailure") or {}
        if target := failure.get("Destination"):
            send(target, self.record(condition))
        elif target := (self.config.get("DeadLetterConfig") or {}).get("TargetArn"):
            send(target, self.event)

    def record(self, condition: str) -> dict[str, Any]:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        arn, version = self.config["FunctionArn"], self.config.get("Version", "$LATEST")
        record: dict[str, Any] = {
            "version": "1.0",
            "timestamp": now,
            "requestContext": {
                "requestId": self.request_id,
                "functionArn": arn if arn.count(":") > 6 else f"{arn}:{version}",
                "condition": condition,
                "approximateInvokeCount": self.attempts,
            },
            "requestPayload": self.event,
        }
        if self.attempts:
            record["responseContext"] = {
                "statusCode": 200,
                "executedVersion": version,
                "functionError": self.result.get("function_error", "Unhandled"),
            }
            record["responsePayload"] = self.result["body"]
        return record


def send(target: str, content: Any) -> None:
    """Send to a queue, a topic or a function, by ARN."""
    service = target.split(":")[2]
    body = json.dumps(content)
    if service == "sqs":
        queues = emulator.service("sqs")
        with queues._queues_lock:
            queues._act_send_message({"QueueUrl": queues._queue_by_arn(target)["url"], "MessageBody": body}, "")
        emulator.core("concurrency").esm_wake.set()
    elif service == "sns":
        emulator.service("sns").publish_internal(target, body, "")
    elif service == "lambda":
        func, config, _ = emulator.service("lambda_svc")._get_func_record_for_ref(target)
        Invocation(emulator.service("lambda_svc")._execution_record_for_config(func, config), content).run()
    else:
        raise ValueError(f"{target}: only queues, topics and functions are supported as destinations")


def invoke_later(func: Any, event: Any) -> None:
    """Replaces ministack's `invoke_async_with_retry`.

    The thread keeps the caller's account and region.
    """
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(Invocation(func, event).run,), name="async", daemon=True)
    _running[:] = [other for other in _running if other.is_alive()]
    _running.append(thread)
    thread.start()


def settle(seconds: float) -> None:
    """End waiting invocations with their failure records, so that these are saved.

    On AWS the internal queue is durable.
    """
    _closing.set()
    until = time.monotonic() + seconds
    for thread in _running:
        thread.join(max(0.0, until - time.monotonic()))


def install() -> None:
    emulator.service("lambda_svc").invoke_async_with_retry = invoke_later
