"""Address of the console, as functions of other stacks know it.

AWS assigns the address at the deployment, so a stage's file names it afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping

from shared.job import setting
from shared.job.setting import SettingError

CONSOLE_URL = setting.url(
    "NIGHTSHIFT_CONSOLE_URL", "Address of the console, for the links of alerts; without it they have none"
)


def console_url(environment: Mapping[str, str]) -> str:
    """Return the address, or nothing.

    The synthesis refuses an invalid one; here it must not keep an alert from being sent.
    """
    try:
        return str(CONSOLE_URL.read(environment)).rstrip("/")
    except SettingError:
        return ""
