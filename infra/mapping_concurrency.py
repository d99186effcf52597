"""MaximumConcurrency of the event source mappings, sized from the account's pool.

Consumers that wait for a free function receive messages that they cannot run, and each such receive counts towards the
dead-letter queue. So their sum stays below half of what the URLs' reservations leave of the pool; the other half is for
the scheduled jobs.
"""

from __future__ import annotations

from collections.abc import Mapping

from infra import quotas
from shared.text.whole_number import is_whole_number

# Context key: concurrent executions of the account in the region (Service Quotas, Lambda).
POOL = "concurrency-pool"
# Lambda refuses a reservation that leaves less of the pool.
UNRESERVED = 100
SMALLEST, _ = quotas.CONCURRENCY
SHARE = 2


def pool_of(given: object) -> int | None:
    """The pool that the context names; None without one. Raises LimitError."""
    if given is None:
        return None
    if not is_whole_number(str(given)) or int(str(given)) < 1:
        raise quotas.LimitError(f"-c {POOL}={given}: use the number of the account's concurrent executions")
    return int(str(given))


def sized(declared: Mapping[str, int], pool: int | None, reserved: int) -> dict[str, int]:
    """Maximum of each consumer, from what it declares.

    pool: None: it is not known, and the declared numbers are used. reserved: executions of the URLs. Raises LimitError.
    """
    if pool is None:
        return dict(declared)
    if reserved and pool - reserved < UNRESERVED:
        raise quotas.LimitError(
            f"-c {POOL}={pool}: the URLs reserve {reserved}, and Lambda keeps {UNRESERVED} unreserved; raise the quota "
            "(Service Quotas, Lambda, Concurrent executions), or use -c url-concurrency=0"
        )
    left, wanted = (pool - reserved) // SHARE, sum(declared.values())
    if wanted <= left:
        return dict(declared)
    if SMALLEST * len(declared) > pool - reserved:
        raise quotas.LimitError(
            f"-c {POOL}={pool}: {len(declared)} consumers need at least {SMALLEST} concurrent executions each, and "
            f"{pool - reserved} are left; raise the quota (Service Quotas, Lambda, Concurrent executions)"
        )
    return {name: max(SMALLEST, count * left // wanted) for name, count in declared.items()}
