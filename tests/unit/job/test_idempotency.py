"""Idempotency: a strategy needs its reason."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shared.job.idempotency import Idempotency, flag_check, keyed, natural, upsert, version_check

STRATEGIES = (natural, flag_check, upsert, keyed, version_check)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_strategy_without_a_reason_is_refused(strategy: Callable[[str], Idempotency]) -> None:
    with pytest.raises(ValueError, match="needs the reason for it"):
        strategy(" ")


def test_each_strategy_has_a_name_of_its_own_beside_its_reason() -> None:
    texts = [str(strategy("the reason")) for strategy in STRATEGIES]
    assert len({*texts}) == len(STRATEGIES)
    assert all(text.endswith(": the reason") for text in texts)
