"""Alert when many wrong tokens are sent to a Function URL.

Each process counts its own: a wrong token costs no write, since anybody can send one. With many processes an attack is
alerted a little later.
"""

from __future__ import annotations

import shlex
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared.aws.names import STATE, TOKEN_SECRET
from shared.aws.permissions import Grant, alerting, write_rows
from shared.store import keys

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

# Wrong tokens in a minute that are alerted, once an hour for each Function URL.
MOST = 10
PERIOD = timedelta(minutes=1)
RETENTION = timedelta(hours=2)
ALERT = "SIGN_INS_FAILED"
GRANTS: tuple[Grant, ...] = (*alerting(), write_rows(STATE, keys.console("*", "*").pk))


class SignInFailures:
    """Wrong tokens of the last minute.

    place: the Function URL, for the alert. report: reports many failures (default: an alert), for a function that may
    write nothing.
    """

    def __init__(self, cloud: Cloud, place: str, report: Callable[[], None] | None = None) -> None:
        self.cloud = cloud
        self.place = place
        self.report = report or self.alert
        self._times: deque[datetime] = deque(maxlen=MOST)
        self._alerted = ""

    def add(self) -> None:
        """Count a failure, and alert if it is one too many.

        Raises what AWS raises: the caller still has to refuse the request.
        """
        now = self.cloud.clock.now()
        self._times.append(now)
        if len(self._times) == MOST and now - self._times[0] < PERIOD:
            self.report()
            # The next report needs as many failures again.
            self._times.clear()

    def alert(self) -> None:
        """Send the alert, once an hour over all processes."""
        # Imported lazily: no other request needs them.
        from shared import tables
        from shared.advised_commands import advised
        from shared.observability import alerts
        from shared.store import table

        now, names = self.cloud.clock.now(), self.cloud.names
        hour = f"{now:%Y-%m-%dT%H}"
        if hour == self._alerted:
            return
        row = {
            **keys.console("alert", f"{self.place}#{hour}").attributes,
            tables.TTL: int((now + RETENTION).timestamp()),
        }
        if table.put_if_absent(self.cloud, tables.STATE, row):
            fields = {"url": self.place, "failures": f"{MOST} or more in a minute", "hour": hour}
            rotate = ["aws", "secretsmanager", "put-secret-value", "--secret-id", names.secret(TOKEN_SECRET)]
            commands = [advised(names.stage, "urls"), f"{shlex.join(rotate)} --secret-string NEW_TOKEN"]
            alerts.send(self.cloud, ALERT, self.place, fields, commands, f"sign-ins-failed#{self.place}#{hour}")
        self._alerted = hour
