"""Code of an effect before its call."""

from __future__ import annotations

import pytest

from shared.job.effect import NotPerformed, before_call


def test_a_failure_before_the_call_is_not_performed() -> None:
    with pytest.raises(NotPerformed, match="ConnectionError: no answer") as failed, before_call():
        raise ConnectionError("no answer")
    assert isinstance(failed.value.__cause__, ConnectionError)


def test_a_deferral_keeps_its_type() -> None:
    class Later(NotPerformed):
        pass

    with pytest.raises(Later), before_call():
        raise Later("its user has had one today")


def test_nothing_is_raised_without_a_failure() -> None:
    with before_call():
        done = True
    assert done
