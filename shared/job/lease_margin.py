"""Lease margin: how far the clocks of two machines may differ.

A lease lasts for the timeout of its run and the margin. A run whose clock is further ahead than the margin takes the
lease of a run that still works; fencing then refuses the writes of the earlier one.
"""

from __future__ import annotations

from collections.abc import Mapping

from shared.job.setting import Setting
from shared.text.whole_number import parse_whole_number

# Seconds; a tick that is further ahead of the clock is refused too.
LARGEST = 300


def _parse(text: str) -> int:
    try:
        return parse_whole_number(text.strip(), least=1, most=LARGEST)
    except ValueError:
        raise ValueError(f"must be 1 to {LARGEST} seconds") from None


LEASE_MARGIN = Setting(
    "NIGHTSHIFT_LEASE_MARGIN",
    "10",
    "Seconds by which the clocks of machines that run jobs may differ, up to 300; the same for all of them",
    _parse,
)


def lease_margin(environment: Mapping[str, str]) -> int:
    """Return the margin in seconds. Raises SettingError."""
    seconds: int = LEASE_MARGIN.read(environment)
    return seconds


def lease_seconds(timeout: int, environment: Mapping[str, str]) -> int:
    """Return the length of the lease of a run with this timeout."""
    return timeout + lease_margin(environment)
