"""Retry policies: the exact numbers of the catalogue's section 6."""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.job import retry, retry_policies
from shared.job.retry import RetryPolicy
from shared.job.validation import MAX_HOPS, hops

TABLE = [
    (retry_policies.DEFAULT, 4, (2, 4, 8)),
    (retry_policies.EMAIL, 3, (5, 10)),
    (retry_policies.EXTERNAL_API, 3, (2, 4)),
    (retry_policies.DATABASE, 2, (1,)),
    (retry_policies.LLM, 3, (10, 20)),
    (retry_policies.WEBHOOK, 5, (30, 60, 120, 240)),
    (retry_policies.AUDIT, 6, (1, 2, 4, 8, 16)),
    (retry_policies.USAGE, 6, (1, 2, 4, 8, 16)),
    (retry_policies.NOTIFICATIONS, 4, (5, 10, 15)),
    (retry_policies.AUTO_ACTIONS, 4, (1, 2, 4)),
    (retry_policies.MAINTENANCE, 1, ()),
    (retry_policies.PLUGIN, 3, (2, 4)),
    (retry_policies.FORWARDING_ITEM, 5, (3600, 21600, 86400, 172800)),
    (retry_policies.WEBHOOK_ITEM, 5, (60, 300, 1800, 7200)),
]


@pytest.mark.parametrize(("policy", "attempts", "delays"), TABLE)
def test_a_policy_has_the_tables_attempts_and_delays(
    policy: RetryPolicy, attempts: int, delays: tuple[int, ...]
) -> None:
    assert (policy.attempts, policy.delays) == (attempts, delays)
    assert policy.delay(attempts) is None


@pytest.mark.parametrize(("policy", "attempts", "delays"), TABLE[:12])
def test_a_delay_is_a_minimum_and_its_jitter_small(policy: RetryPolicy, attempts: int, delays: tuple[int, ...]) -> None:
    for seed in range(50):
        jittered = [policy.jittered(attempt, random.Random(seed)) for attempt in range(1, attempts)]
        assert all(
            least <= (got or 0) <= least * (1 + retry.JITTER) + 1 for least, got in zip(delays, jittered, strict=True)
        )


@pytest.mark.parametrize("delay", [1, 2, 5, 9])
def test_short_delays_have_jitter_too(delay: int) -> None:
    assert {retry.explicit(delay).jittered(1, random.Random(seed)) for seed in range(100)} == {delay, delay + 1}


def test_jitter_never_exceeds_what_a_queue_can_delay() -> None:
    assert max(retry.explicit(900).jittered(1, random.Random(seed)) or 0 for seed in range(100)) == 900


@pytest.mark.parametrize("policy", [row[0] for row in TABLE[:12]])
def test_the_longest_chain_of_every_policy_stays_within_fourteen_hops(policy: RetryPolicy) -> None:
    assert hops(policy.attempts) <= MAX_HOPS == 14


SECONDS, RETRIES = st.integers(0, 10**6), st.integers(0, 98)
POLICIES = st.one_of(
    st.builds(lambda first, retries: retry.exponential(first=first, retries=retries), SECONDS, RETRIES),
    st.builds(lambda step, retries: retry.linear(step=step, retries=retries), SECONDS, RETRIES),
    st.builds(lambda delay, retries: retry.fixed(delay=delay, retries=retries), SECONDS, RETRIES),
    st.lists(SECONDS, max_size=98).map(lambda delays: retry.explicit(*delays)),
)


@given(POLICIES)
def test_every_policy_that_is_written_is_read_as_itself(policy: RetryPolicy) -> None:
    assert retry.parse(str(policy)) == policy
    assert retry.parse(f"  {str(policy).upper().replace(' ', '   ')} ") == policy


@given(st.one_of(st.text(), st.text("exponetialrfdc 0123456789smhd,", max_size=40)))
@example("explicit 1s, 2 attempts")
@example("fixed 9999999999999999999d, 2 attempts")
def test_any_other_text_is_refused_with_what_would_do(text: str) -> None:
    try:
        policy = retry.parse(text)
    except ValueError as error:
        assert str(error)  # noqa: PT017 - most are refused, and a few are not
    else:
        assert retry.parse(str(policy)) == policy


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("exponential 2s, 4 attempts", retry_policies.DEFAULT),
        ("linear 5s, 4 attempts", retry_policies.NOTIFICATIONS),
        ("fixed 1s, 2 attempts", retry_policies.DATABASE),
        ("explicit 1m 5m 30m 2h, 5 attempts", retry_policies.WEBHOOK_ITEM),
        ("explicit 60s 300s 30m 2h", retry_policies.WEBHOOK_ITEM),
        ("none", retry_policies.MAINTENANCE),
        ("explicit 1s,2 attempt", retry.explicit(1)),
    ],
)
def test_a_policy_is_read_as_it_sounds(text: str, policy: RetryPolicy) -> None:
    assert retry.parse(text) == policy


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "use 'exponential 2s, 4 attempts'"),
        ("exponential 2s", "use 'exponential"),
        ("exponential 2s 4s, 3 attempts", "use 'exponential"),
        ("exponential 2s, 100 attempts", "use 'exponential"),
        ("quadratic 2s, 3 attempts", "use 'exponential"),
        ("fixed 1, 3 attempts", "use 'exponential"),
        ("fixed 1s, 1 attempts", "for no retries use 'none'"),
        ("linear 1s, 0 attempts", "for no retries use 'none'"),
        ("explicit 1s 2s, 4 attempts", "2 delays are 3 attempts, the first one included"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        retry.parse(text)
