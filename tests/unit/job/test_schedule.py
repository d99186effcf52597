"""Schedules: Unix cron described in words and translated to EventBridge exactly."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from local.scheduler.expression import next_after
from shared.job import schedule as schedules
from shared.job.cron_field import ScheduleError
from shared.job.schedule import Schedule, cron, daily, every, hourly, monthly, read, weekly


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (every(minutes=1), ("cron(* * * * ? *)",)),
        (every(minutes=15), ("cron(0/15 * * * ? *)",)),
        (every(minutes=15, offset=5), ("cron(5/15 * * * ? *)",)),
        (every(minutes=5, offset=3), ("cron(3/5 * * * ? *)",)),
        (hourly(minute=20), ("cron(20 * * * ? *)",)),
        (daily(hour=1, minute=0), ("cron(0 1 * * ? *)",)),
        (weekly(day="sun", hour=3, minute=10), ("cron(10 3 ? * 1 *)",)),
        (monthly(day=31, hour=3, minute=10), ("cron(10 3 31 * ? *)",)),
        (cron("@yearly"), ("cron(0 0 1 1 ? *)",)),
        (cron("0 9 * * 1-5"), ("cron(0 9 ? * 2,3,4,5,6 *)",)),
        (cron("0 9 * * 7"), ("cron(0 9 ? * 1 *)",)),
        (cron("0 9 * * 5-7"), ("cron(0 9 ? * 1,6,7 *)",)),
        (cron("0,30 8-10,20 * 1-3 *"), ("cron(0,30 8-10,20 * 1-3 ? *)",)),
        (cron("0 0 13 * 5"), ("cron(0 0 13 * ? *)", "cron(0 0 ? * 6 *)")),
        (cron("0 0 29 2 *"), ("cron(0 0 29 2 ? *)",)),
    ],
)
def test_a_schedule_is_translated_exactly(schedule: Schedule, expected: tuple[str, ...]) -> None:
    assert schedule.eventbridge() == expected


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("61 * * * *", "minute '61': '61' is not between 0 and 59"),
        ("* * 30 2 *", "never fires"),
        ("* * 31 4,6,9,11 *", "never fires"),
        ("* * *", "has 3 fields"),
        ("*/0 * * * *", "the step '0' is not a whole number above 0"),
        ("5-1 * * * *", "5-1 runs backwards"),
        ("a * * * *", "'a' is not between"),
        ("*/61 * * * *", "minute '*/61': the step 61 is larger than the field"),
        ("0 */25 * * *", "hour '*/25': the step 25 is larger than the field"),
        ("* * */2 * 1", "crons differ"),
        ("", "has 0 fields"),
        ("* * * foo *", "month 'foo'"),
        ("\u0663 * * * *", "is not between 0 and 59"),
        ("\uff15 * * * *", "is not between 0 and 59"),
        ("*/\u0968 * * * *", "is not a whole number above 0"),
        ("*/ * * * *", "the step '' is not a whole number above 0"),
        ("5 * * * +1", "is not between 0 and 7"),
        ("9" * 900 + " * * * *", "is not between 0 and 59"),
        ("1," * 600 + "1 * * * *", "has over 1000 characters"),
        ("* * * * 6-0", "6-0 runs backwards"),
        ("* * * * fri-mon", "fri-mon runs backwards"),
        ("* * 1-31/2 * */2", "crons differ"),
    ],
)
def test_an_impossible_cron_is_refused_with_the_reason(expression: str, said: str) -> None:
    with pytest.raises(ScheduleError, match=said.replace("*", r"\*").replace("(", r"\(")):
        cron(expression)


@pytest.mark.parametrize(
    ("weekday", "days", "unix"),
    [
        ("sat-sun", {6, 0}, "0,6"),
        ("SAT-SUN", {6, 0}, "0,6"),
        ("mon-sun", {0, 1, 2, 3, 4, 5, 6}, "*"),
        ("wed-sun/2", {3, 5, 0}, "0,3,5"),
        ("sun-tue,fri-sun", {0, 1, 2, 5, 6}, "0-2,5-6"),
        ("sun-sun", {0}, "0"),
        ("5-7", {5, 6, 0}, "0,5-6"),
    ],
)
def test_a_week_may_end_on_sunday(weekday: str, days: set[int], unix: str) -> None:
    schedule = cron(f"0 0 * * {weekday}")
    assert schedule.fields()[4] == days
    assert schedule.unix == f"0 0 * * {unix}"
    assert {tick.isoweekday() % 7 for tick in islice(schedule.after(datetime(2026, 3, 1, tzinfo=UTC)), 14)} == days


@pytest.mark.parametrize(
    ("expression", "forms"),
    [
        ("0 6 1-31 * 1", ("cron(0 6 * * ? *)",)),
        ("0 6 15 * 0-6", ("cron(0 6 * * ? *)",)),
        ("0 6 1-15,16-31 * 1", ("cron(0 6 * * ? *)",)),
        ("0 6 1/1 * 1", ("cron(0 6 * * ? *)",)),
        ("0 6 31 2 mon-sun", ("cron(0 6 * 2 ? *)",)),
        ("0 6 */1 * 1", ("cron(0 6 ? * 2 *)",)),
        ("0 6 1 * *,1", ("cron(0 6 1 * ? *)",)),
        ("0 6 1,*/2 * 1", ("cron(0 6 1/2 * ? *)", "cron(0 6 ? * 2 *)")),
    ],
)
def test_day_and_weekday_are_alternatives_unless_one_is_starred(expression: str, forms: tuple[str, ...]) -> None:
    assert cron(expression).eventbridge() == forms


def _parts(low: int, high: int) -> st.SearchStrategy[str]:
    value = st.integers(low, high)
    span = st.tuples(value, value).map(sorted).map(lambda ends: f"{ends[0]}-{ends[1]}")
    stepped = st.tuples(st.one_of(span, value.map(str), st.just("*")), st.integers(1, 7)).map("{0[0]}/{0[1]}".format)
    return st.one_of(value.map(str), span, stepped, st.just("*"))


def _field(low: int, high: int) -> st.SearchStrategy[str]:
    return st.lists(_parts(low, high), min_size=1, max_size=3).map(",".join)


def _values(text: str, low: int, high: int) -> set[int]:
    """Values of a field, read independently of the module under test."""
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.replace("*", f"{low}-{high}").replace("?", f"{low}-{high}").partition("-")
        found |= {*range(int(first), int(last or (high if step else first)) + 1, int(step or 1))}
    return found


def _fires(form: str, day: datetime) -> bool:
    """Whether an EventBridge expression fires on the day; its hour and minute are constant here."""
    _, _, days, months, weekdays, _ = form.removeprefix("cron(").removesuffix(")").split()
    return (
        day.month in _values(months, 1, 12)
        and day.day in _values(days, 1, 31)
        and day.isoweekday() % 7 + 1 in _values(weekdays, 1, 7)
    )


@settings(deadline=None)
@given(_field(1, 31), _field(1, 12), _field(0, 7))
@example("1-31", "*", "1")
@example("15", "2", "0-6")
def test_rule_and_calendar_agree_with_vixie_cron(day: str, month: str, weekday: str) -> None:
    try:
        schedule = cron(f"0 6 {day} {month} {weekday}")
    except ScheduleError:
        return
    start = datetime(2026, 1, 28, 7, tzinfo=UTC)
    expected, fired = [], []
    for number in range(1, 71):
        tick = start.replace(hour=6) + timedelta(days=number)
        in_month = tick.day in _values(day, 1, 31)
        in_week = tick.isoweekday() % 7 in {value % 7 for value in _values(weekday, 0, 7)}
        both = day.startswith("*") or weekday.startswith("*")
        if tick.month in _values(month, 1, 12) and (in_month and in_week if both else in_month or in_week):
            expected.append(tick)
        if any(_fires(form, tick) for form in schedule.eventbridge()):
            fired.append(tick)
    assert fired == expected
    assert [*takewhile(lambda tick: tick < start + timedelta(days=70), schedule.after(start))] == expected


def test_every_must_divide_the_hour() -> None:
    with pytest.raises(ScheduleError, match="does not divide the hour"):
        every(minutes=7)
    with pytest.raises(ScheduleError, match="offset 15 is not between 0 and 14"):
        every(minutes=15, offset=15)


def test_ticks_are_later_than_the_instant_they_are_asked_for() -> None:
    noon = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
    assert list(islice(every(minutes=15).after(noon), 2)) == [noon.replace(minute=15), noon.replace(minute=30)]


def test_a_zone_follows_its_summer_time() -> None:
    ticks = daily(hour=9, minute=0, zone="Europe/Berlin").after(datetime(2026, 3, 28, 0, tzinfo=UTC))
    assert [tick.hour for tick in islice(ticks, 3)] == [8, 7, 7]


def test_a_time_that_spring_leaps_over_is_left_out() -> None:
    # 29 March 2026: Berlin goes from 02:00 to 03:00.
    ticks = daily(hour=2, minute=30, zone="Europe/Berlin").after(datetime(2026, 3, 28, 12, tzinfo=UTC))
    assert next(ticks) == datetime(2026, 3, 30, 0, 30, tzinfo=UTC)


def test_a_time_that_comes_twice_in_autumn_counts_once() -> None:
    # 25 October 2026: Berlin has 02:00 to 03:00 from 00:00 and again from 01:00 UTC.
    ticks = cron("*/30 * * * *", "Europe/Berlin").after(datetime(2026, 10, 25, 0, 10, tzinfo=UTC))
    assert [f"{tick:%H:%M}" for tick in islice(ticks, 3)] == ["00:30", "02:00", "02:30"]
    # Nor does it count again when asked for in the second of the two.
    again = cron("*/30 * * * *", "Europe/Berlin").after(datetime(2026, 10, 25, 1, 10, tzinfo=UTC))
    assert f"{next(again):%H:%M}" == "02:00"


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Australia/Lord_Howe"])
@pytest.mark.parametrize("expression", ["*/20 * * * *", "30 2 * * *", "0 9 * * 1-5", "15 1,2,3 * * *"])
def test_ticks_are_those_that_the_local_cloud_fires(expression: str, zone: str) -> None:
    schedule, moment = cron(expression, zone), datetime(2026, 3, 1, tzinfo=UTC)
    [form] = schedule.eventbridge()
    for tick in islice(schedule.after(moment), 400):
        fired = next_after(form, moment, zone)
        assert tick == fired
        moment = tick


@pytest.mark.parametrize(
    "schedule", [every(minutes=15), cron("0 9 * * 1-5"), daily(hour=9, minute=0, zone="Asia/Tokyo")]
)
def test_a_schedule_is_read_back_from_its_text(schedule: Schedule) -> None:
    assert read(str(schedule)) == schedule


SOME = st.builds(
    lambda minute, hour, weekdays, zone: Schedule(f"{minute} {hour} * * {weekdays}", zone),
    st.one_of(st.integers(0, 59).map(str), st.just("*/15"), st.just("1,7-9")),
    st.one_of(st.integers(0, 23).map(str), st.just("*")),
    st.sampled_from(["*", "1-5", "sun", "mon,3"]),
    st.sampled_from(["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"]),
)


@given(st.lists(SOME, max_size=4, unique=True))
def test_schedules_that_are_written_are_read_as_themselves(known: list[Schedule]) -> None:
    assert schedules.parse(schedules.text(known)) == tuple(known)


@given(st.one_of(st.text(), st.text("*/0123456789,-;@ offaily", max_size=30)))
@example("* * * * * \0")
@example("0 0 * * * Europe")
def test_any_other_text_is_refused_as_a_schedule(text: str) -> None:
    try:
        known = schedules.parse(text)
    except ScheduleError as error:
        assert schedules.ACCEPTED in str(error)  # noqa: PT017 - most are refused, and a few are not
    else:
        assert schedules.parse(schedules.text(known)) == known


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("*/15 * * * *", (every(minutes=15),)),
        (" 30  7 * * 1-5  Europe/Berlin ", (cron("30 7 * * 1-5", "Europe/Berlin"),)),
        ("@daily", (cron("@daily"),)),
        ("@daily Europe/Berlin", (cron("@daily", "Europe/Berlin"),)),
        ("0 6 * * *; 0 18 * * *", (cron("0 6 * * *"), cron("0 18 * * *"))),
        ("0 6 * * *; 0 6 * * * UTC", (cron("0 6 * * *"),)),
        ("off", ()),
        (" OFF", ()),
    ],
)
def test_a_schedule_is_read_as_a_setting_says_it(text: str, known: tuple[Schedule, ...]) -> None:
    assert schedules.parse(text) == known


@pytest.mark.parametrize("zone", ["Europe/Atlantis", "posixrules", "posix/Europe/Berlin", "Factory", "", "Europe"])
def test_a_declared_zone_is_one_of_the_iana_database(zone: str) -> None:
    with pytest.raises(ScheduleError, match="is no time zone"):
        daily(hour=6, minute=0, zone=zone)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "0 fields"),
        ("0 12 * *", "4 fields"),
        ("0 12 * * * *", "'*' after the five fields is no time zone"),
        ("0 12 * * * Europe/Atlantis", "'Europe/Atlantis' after the five fields is no time zone"),
        ("0 12 * * * ../UTC", "is no time zone"),
        ("0 12 * * * localtime", "is no time zone"),
        ("0 12 * * * right/Europe/Berlin", "is no time zone"),
        ("0 12 * * * europe/berlin", "is no time zone"),
        ("0 6 * * *;", "0 fields"),
        ("@midnight", "'@midnight' has 1 fields"),
        ("61 * * * *", "'61' is not between 0 and 59"),
        ("0 0 30 2 *", "never fires"),
        ("rate(5 minutes)", "EventBridge expressions"),
        ("cron(0 12 * * ? *)", "EventBridge expressions"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused_with_what_would_do(text: str, said: str) -> None:
    with pytest.raises(ScheduleError) as error:
        schedules.parse(text)
    assert said in str(error.value)
    assert str(error.value).endswith(schedules.ACCEPTED)
