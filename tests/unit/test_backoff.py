"""The retry table, section 6 of the catalogue, to the number."""

from __future__ import annotations

import random

import pytest

from shared import backoff
from shared.backoff import Policy
from shared.declaration import MOST_HOPS, hops

TABLE = [
    (backoff.DEFAULT, 4, (2, 4, 8)),
    (backoff.EMAIL, 3, (5, 10)),
    (backoff.EXTERNAL_API, 3, (2, 4)),
    (backoff.DATABASE, 2, (1,)),
    (backoff.LLM, 3, (10, 20)),
    (backoff.WEBHOOK, 5, (30, 60, 120, 240)),
    (backoff.AUDIT, 6, (1, 2, 4, 8, 16)),
    (backoff.USAGE, 6, (1, 2, 4, 8, 16)),
    (backoff.NOTIFICATIONS, 4, (5, 10, 15)),
    (backoff.AUTO_ACTIONS, 4, (1, 2, 4)),
    (backoff.MAINTENANCE, 1, ()),
    (backoff.PLUGIN, 3, (2, 4)),
    (backoff.FORWARDING_ITEM, 5, (3600, 21600, 86400, 172800)),
    (backoff.WEBHOOK_ITEM, 5, (60, 300, 1800, 7200)),
]


@pytest.mark.parametrize(("policy", "attempts", "delays"), TABLE)
def test_a_policy_has_the_tables_attempts_and_delays(policy: Policy, attempts: int, delays: tuple[int, ...]) -> None:
    assert (policy.attempts, policy.delays) == (attempts, delays)
    assert policy.delay(attempts) is None


@pytest.mark.parametrize(("policy", "attempts", "delays"), TABLE[:12])
def test_a_delay_is_a_minimum_and_its_jitter_small(policy: Policy, attempts: int, delays: tuple[int, ...]) -> None:
    for seed in range(50):
        jittered = [policy.jittered(attempt, random.Random(seed)) for attempt in range(1, attempts)]
        assert all(
            least <= (got or 0) <= least * (1 + backoff.JITTER) + 1 for least, got in zip(delays, jittered, strict=True)
        )


def test_jitter_never_exceeds_what_a_queue_can_delay() -> None:
    assert max(backoff.explicit(900).jittered(1, random.Random(seed)) or 0 for seed in range(100)) == 900


@pytest.mark.parametrize("policy", [row[0] for row in TABLE[:12]])
def test_the_longest_chain_of_every_policy_stays_within_fourteen_hops(policy: Policy) -> None:
    assert hops(policy.attempts) <= MOST_HOPS == 14
