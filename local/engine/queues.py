"""Behaviour of SQS event source mappings that ministack lacks.

- The source of a message in a dead-letter queue, whose receives are counted anew: a dead-letter queue that has one
  itself would pass each message on at once.
- Queue URLs that stay valid after a restart on another port.
- A malformed partial-batch response fails the whole batch; in ministack it is a success.
  https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection
from typing import Any

from local.engine import emulator
from local.lambda_runtime import loop_detection


def install() -> None:
    emulator.service("lambda_svc")._run_sqs_batch = run_batch
    # Queues are stored by a URL with the port, which can differ next time. A caller gets a URL with the address that
    # it called.
    queues = emulator.service("sqs")
    sweep = queues._dlq_sweep

    def sweep_and_count_anew(queue: Any) -> None:
        before = {message["id"] for message in queue["messages"]}
        sweep(queue)
        moved = before - {message["id"] for message in queue["messages"]}
        if moved:
            count_anew(
                queues._queue_by_arn(json.loads(queue["attributes"]["RedrivePolicy"])["deadLetterTargetArn"]), moved
            )

    queues._dlq_sweep = sweep_and_count_anew
    queues.DEFAULT_HOST, queues.DEFAULT_PORT, queues._CANONICAL_NETLOC = "sqs", "80", "sqs:80"


def run_batch(esm: Any, func: Any, event: Any, batch: list[Any], queue_url: str, queue_name: str) -> None:
    """Invoke with one batch and delete its successes.

    Failures reappear after the visibility timeout.
    """
    functions = emulator.service("lambda_svc")
    name_sources(event["Records"], batch)
    loop_detection.receive(*((message.get("sys") or {}).get("AWSTraceHeader", "") for message in batch))
    result = functions._execute_function(func, event)
    failed: set[str] | None = set()
    if result.get("error"):
        failed = None
    elif "ReportBatchItemFailures" in esm.get("FunctionResponseTypes", []):
        failed = failed_identifiers(result.get("body"), {message["id"] for message in batch})
    if failed is None:
        esm["LastProcessingResult"] = "FAILED"
        functions._esm_backoff_until[esm["UUID"]] = time.time() + functions._ESM_BACKOFF_SECONDS
        return
    functions._esm_backoff_until.pop(esm["UUID"], None)
    done = {message["receipt_handle"] for message in batch if message["id"] not in failed}
    emulator.service("sqs")._delete_messages_for_esm(queue_url, done)
    esm["LastProcessingResult"] = f"OK - {len(done)} records, {len(failed)} partial failures from {queue_name}"


def count_anew(dead_letters: Any, moved: Collection[str]) -> None:
    """Reset the receives of messages that were moved to a dead-letter queue."""
    for message in dead_letters["messages"]:
        if message["id"] in moved:
            message["receive_count"], message["first_receive_at"] = 0, None


def name_sources(records: list[Any], batch: list[Any]) -> None:
    sources = {message["id"]: (message.get("sys") or {}).get("DeadLetterQueueSourceArn") for message in batch}
    for record in records:
        if source := sources.get(record["messageId"]):
            record["attributes"]["DeadLetterQueueSourceArn"] = source


def failed_identifiers(body: Any, sent: set[str]) -> set[str] | None:
    """Messages that the function reports as failed; None means all.

    All, for a malformed response. Null, `{}` and an empty list are a full success.
    """
    if isinstance(body, str):
        try:
            body = json.loads(body)
        except ValueError:
            return None
    if body is None:
        return set()
    if not isinstance(body, dict):
        return None
    failures = body.get("batchItemFailures") or []
    if not isinstance(failures, list):
        return None
    named = [failure.get("itemIdentifier") if isinstance(failure, dict) else None for failure in failures]
    return {str(name) for name in named} if all(name in sent for name in named) else None
