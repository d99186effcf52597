"""Seed operations: a failing job, its dead letters, and expired history."""

from __future__ import annotations

from shared.aws.cloud import Cloud


def seed(cloud: Cloud, count: int, number: int = 1) -> dict[str, int]:
    """Leave the traces of failures, such as `count` dead letters.

    Others are an interrupted run, expired history, and a message in a dead-letter queue. Existing rows stay. Returns
    the numbers of rows and messages.
    """
    # Imported lazily: the registry imports this module.
    from functions.operations._sample_failures import SampleFailures

    failures = SampleFailures(cloud, number)
    return {
        "interrupted runs": failures.interrupt_run(),
        "dead letters": failures.store_dead_letters(count),
        "expired runs": failures.write_expired_runs(),
        "messages in dead-letter queues": failures.fill_dead_letter_queue(),
    }
