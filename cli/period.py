"""Arguments that name a time or a period."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from cli.exit_codes import CommandError, Exit
from shared import clock
from shared.job import duration

NOW = "now"
DURATION = re.compile(r"[0-9]+[dhms]")
TIME_OF_DAY = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")


def parse_minute(text: str, now: datetime, option: str = "--at") -> datetime:
    """The minute of an option such as `--at`, in UTC."""
    if text == NOW:
        return now.replace(second=0, microsecond=0)
    if TIME_OF_DAY.fullmatch(text):
        # The last time that the clock showed it.
        today = now.replace(hour=int(text[:2]), minute=int(text[3:]), second=0, microsecond=0)
        return today if today <= now else today - timedelta(days=1)
    try:
        at = clock.parse(text)
    except ValueError:
        forms = f"ISO 8601, as in {clock.minute(now)}, or {now:%H:%M}, or `now`"
        raise CommandError(Exit.WRONG_USE, f"{option} {text!r} is not a time; use {forms}") from None
    if at > now:
        raise CommandError(Exit.WRONG_USE, f"{option} {text} is in the future; it is {clock.minute(now)}")
    return at.replace(second=0, microsecond=0)


def parse_until(option: str, text: str, now: datetime) -> datetime:
    """The end of a period that begins now, such as `--until 2h`.

    A duration, a time of day in UTC, or ISO 8601. Raises CommandError, also for a time that is over.
    """
    try:
        if TIME_OF_DAY.fullmatch(text):
            # The next time that the clock shows it.
            today = now.replace(hour=int(text[:2]), minute=int(text[3:]), second=0, microsecond=0)
            return today if today > now else today + timedelta(days=1)
        until = now + duration.parse(text) if DURATION.fullmatch(text) else clock.parse(text)
    except (ValueError, OverflowError):
        forms = f"a duration, as 2h or 3d, a time of day in UTC, as 18:00, or ISO 8601, as {clock.minute(now)}"
        raise CommandError(Exit.WRONG_USE, f"{option} {text!r} is not a time; use {forms}") from None
    if until <= now:
        raise CommandError(Exit.WRONG_USE, f"{option} {text} is over; it is {clock.minute(now)}")
    return until


def parse_duration(option: str, text: str) -> timedelta:
    """The length of time of an option such as `--since 2h`.

    Raises CommandError.
    """
    try:
        return duration.parse(text)
    except ValueError as error:
        raise CommandError(Exit.WRONG_USE, f"{option} {text!r} is not a duration: {error}") from None


def parse_since(option: str, text: str, now: datetime) -> datetime:
    """The start of a period that ends now, such as `--since 2h`.

    Raises CommandError.
    """
    try:
        return now - parse_duration(option, text)
    except OverflowError as error:
        raise CommandError(Exit.WRONG_USE, f"{option} {text!r}: {error}") from None
