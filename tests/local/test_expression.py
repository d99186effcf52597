"""Schedule expressions of EventBridge and Scheduler."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from local.scheduler.expression import ExpressionError, next_after


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "after", "then"),
    [
        ("cron(0/15 * * * ? *)", "2026-01-01T00:00", "2026-01-01T00:15"),
        ("cron(4/5 * * * ? *)", "2026-01-01T00:59", "2026-01-01T01:04"),
        ("cron(0 18 ? * MON-FRI *)", "2026-01-02T18:00", "2026-01-05T18:00"),
        # 1 is Sunday.
        ("cron(0 0 ? * 1 *)", "2026-01-01T00:00", "2026-01-04T00:00"),
        ("cron(0 0 ? * 7 *)", "2026-01-01T00:00", "2026-01-03T00:00"),
        ("cron(0 0 ? * L *)", "2026-01-01T00:00", "2026-01-03T00:00"),
        ("cron(0 9 ? * 2#1 *)", "2026-01-01T00:00", "2026-01-05T09:00"),
        ("cron(0 9 ? * FRI#3 *)", "2026-01-01T00:00", "2026-01-16T09:00"),
        ("cron(0 9 ? * 6L *)", "2026-01-01T00:00", "2026-01-30T09:00"),
        ("cron(0 9 L * ? *)", "2026-02-01T00:00", "2026-02-28T09:00"),
        # The weekday nearest to the 3rd: Saturday 3 January gives the Friday before.
        ("cron(0 9 3W * ? *)", "2026-01-01T00:00", "2026-01-02T09:00"),
        # Never in another month: Sunday 1 February gives Monday the 2nd, Saturday 1 August Monday the 3rd.
        ("cron(0 9 1W 2 ? *)", "2026-01-15T00:00", "2026-02-02T09:00"),
        ("cron(0 9 1W 8 ? *)", "2026-01-15T00:00", "2026-08-03T09:00"),
        ("cron(0 9 LW * ? *)", "2026-01-01T00:00", "2026-01-30T09:00"),
        ("cron(0 0 29 2 ? *)", "2026-01-01T00:00", "2028-02-29T00:00"),
        ("cron(0 0 1 1 ? 2030-2032)", "2026-01-01T00:00", "2030-01-01T00:00"),
        ("cron(0 0 1 JAN,JUL ? *)", "2026-01-02T00:00", "2026-07-01T00:00"),
        ("rate(5 minutes)", "2026-01-01T00:05", "2026-01-01T00:10"),
        ("rate(1 hour)", "2026-01-01T00:05", "2026-01-01T01:00"),
        ("rate(1 day)", "2026-01-01T00:05", "2026-01-02T00:00"),
        ("at(2026-03-01T12:30:00)", "2026-01-01T00:00", "2026-03-01T12:30"),
    ],
)
def test_an_expression_fires_next(expression: str, after: str, then: str) -> None:
    assert next_after(expression, at(after)) == at(then)


@pytest.mark.parametrize("expression", ["cron(0 0 1 1 ? 2020)", "at(2020-01-01T00:00:00)"])
def test_an_expired_expression_never_fires(expression: str) -> None:
    assert next_after(expression, at("2026-01-01T00:00")) is None


@pytest.mark.parametrize(
    "expression",
    [
        "cron(0 0 * * * *)",
        "cron(0 0 ? * ? *)",
        "cron(0 0 * * *)",
        "cron(60 0 * * ? *)",
        "cron(0 0 ? * 0 *)",
        "cron(0 0 ? * 8 *)",
        "cron(0 0 ? * FOO *)",
        "cron(0 0 * * ? 1950)",
        "cron(0 0 30 2 ? *)",
        "rate(5 minute)",
        "rate(1 minutes)",
        "rate(0 minutes)",
        "rate(5 weeks)",
        "0 0 * * *",
        "cron(0 0 * * ? *",
    ],
)
def test_an_expression_that_aws_refuses_is_refused(expression: str) -> None:
    with pytest.raises(ExpressionError):
        next_after(expression, at("2026-01-01T00:00"))


def test_a_zone_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ExpressionError, match="Mars/Olympus"):
        next_after("cron(0 0 * * ? *)", at("2026-01-01T00:00"), "Mars/Olympus")


def test_a_zone_moves_with_its_summer_time() -> None:
    nine = "cron(0 9 * * ? *)"
    assert next_after(nine, at("2026-01-15T00:00"), "Europe/Berlin") == at("2026-01-15T08:00")
    assert next_after(nine, at("2026-07-15T00:00"), "Europe/Berlin") == at("2026-07-15T07:00")


def test_a_time_that_a_clock_change_skips_is_left_out() -> None:
    # 29 March 2026: Berlin goes from 02:00 to 03:00.
    assert next_after("cron(30 2 * * ? *)", at("2026-03-28T12:00"), "Europe/Berlin") == at("2026-03-30T00:30")


def test_a_time_that_a_clock_change_repeats_fires_once() -> None:
    # 25 October 2026: Berlin has 02:30 at 00:30 and at 01:30 UTC.
    first = next_after("cron(30 2 * * ? *)", at("2026-10-24T12:00"), "Europe/Berlin")
    assert first == at("2026-10-25T00:30")
    assert next_after("cron(30 2 * * ? *)", first, "Europe/Berlin") == at("2026-10-26T01:30")
