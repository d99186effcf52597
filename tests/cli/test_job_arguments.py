"""Arguments that name a time or a host are resolved, or refused with the nearest."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cli.exit_codes import CommandError
from cli.job_arguments import find_host
from cli.period import parse_minute, parse_until
from functions.sites.pricing import Pricing
from shared.aws.cloud import Cloud
from shared.store import keys, table
from shared.tables import STATE

NOW = datetime(2026, 3, 2, 8, 30, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "minute"),
    [("08:19", (2, 8, 19)), ("08:30", (2, 8, 30)), ("08:31", (1, 8, 31)), ("00:00", (2, 0, 0)), ("now", (2, 8, 30))],
)
def test_a_time_of_day_is_its_last_one(text: str, minute: tuple[int, int, int]) -> None:
    day, hour, minutes = minute
    assert parse_minute(text, NOW) == datetime(2026, 3, day, hour, minutes, tzinfo=UTC)


@pytest.mark.parametrize("text", ["8:19", "24:00", "08:60", "08:19:00", "\u0660\u0668:19", "20260302", "1772452740"])
def test_another_form_of_a_time_is_refused(text: str) -> None:
    with pytest.raises(CommandError, match="is not a time; use ISO 8601, as in 2026-03-02T08:30Z, or 08:30, or `now`"):
        parse_minute(text, NOW)


@pytest.mark.parametrize(
    ("text", "until"),
    [
        ("2h", datetime(2026, 3, 2, 10, 30, 15, tzinfo=UTC)),
        ("3d", datetime(2026, 3, 5, 8, 30, 15, tzinfo=UTC)),
        ("08:31", datetime(2026, 3, 2, 8, 31, tzinfo=UTC)),
        ("08:30", datetime(2026, 3, 3, 8, 30, tzinfo=UTC)),
        ("2026-03-02T09:00Z", datetime(2026, 3, 2, 9, tzinfo=UTC)),
        ("2026-03-02T09:00+02:00", None),
        ("2026-03-02T08:30:15Z", None),
    ],
)
def test_an_end_is_a_duration_the_next_time_of_day_or_a_timestamp(text: str, until: datetime | None) -> None:
    if until:
        assert parse_until("--until", text, NOW) == until
    else:
        with pytest.raises(CommandError, match="is over; it is 2026-03-02T08:30Z"):
            parse_until("--until", text, NOW)


@pytest.mark.parametrize(
    "text", ["", "soon", "2 weeks", "24:00", "-2h", "0.5h", "99999999999d", "9999-12-31T23:59-12:00"]
)
def test_another_form_of_an_end_is_refused(text: str) -> None:
    with pytest.raises(CommandError, match="is not a time; use a duration, as 2h or 3d, a time of day in UTC"):
        parse_until("--until", text, NOW)


def test_a_host_is_one_of_base_urls_or_one_with_a_status(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASE_URLS", '["https://shop.example"]')
    table.put(cloud, STATE, {**keys.claim(Pricing.key, "removed.example").attributes, "status": {}})
    for host in ("shop.example", "removed.example"):
        assert find_host(Pricing(), host, cloud) == host
    with pytest.raises(CommandError, match=r"no target 'shop.exampel'; did you mean 'shop.example'\?"):
        find_host(Pricing(), "shop.exampel", cloud)
    with pytest.raises(CommandError, match=r"no target 'x'; it has removed.example, shop.example"):
        find_host(Pricing(), "x", cloud)
