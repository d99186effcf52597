"""Isolate the owners of a run: a failing one stops no other.

A job that works through organizations or users wraps the work of each in `isolate` and returns `end(...)`. An error of
one owner is logged and alerted with the owner, the run goes on to the next one, and ends not ok.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from shared import clock, redaction
from shared.advised_commands import advised
from shared.aws import permissions
from shared.aws.names import STATE
from shared.aws.permissions import Grant
from shared.job.outcome import Done
from shared.job.setting import SettingError
from shared.store import keys, table
from shared.store.fencing import Fenced
from shared.store.throttling import Throttled
from shared.tables import STATE as STATE_TABLE
from shared.tables import TTL

if TYPE_CHECKING:
    from shared.run.context import RunContext

KIND = "OWNER_FAILED"
# Owners that one run names in alerts and in its note; the log names all.
NAMED = 5
# An owner that keeps failing is alerted again after this time.
REPEATED = timedelta(days=1)
_ROWS = keys.owner_alerts("*")
GRANTS: tuple[Grant, ...] = (
    *permissions.alerting(),
    permissions.read_rows(STATE, _ROWS),
    permissions.write_rows(STATE, _ROWS),
)


class OwnerFailures:
    """The owners of a run whose work failed.

    Owners may be isolated from several threads at once.
    """

    def __init__(self, run: RunContext) -> None:
        self.run = run
        #: Error by owner, in the order of failure.
        self.errors: dict[str, str] = {}
        self._lock = threading.Lock()

    @contextmanager
    def isolate(self, owner: str) -> Iterator[None]:
        """Record an error of this owner instead of raising it.

        Raises what concerns the run as a whole: a lost lease, an invalid setting, throttling.
        """
        try:
            yield
        except (Fenced, SettingError, Throttled):
            raise
        except Exception as error:  # noqa: BLE001 - any error of one owner must not stop the others
            self._record(owner, error)

    def __contains__(self, owner: str) -> bool:
        return owner in self.errors

    def end(self, done: Done) -> Done:
        """Return the outcome with the failed owners; alert on them."""
        if not self.errors:
            return done
        named = [*self.errors.items()][:NAMED]
        for owner, error in named:
            self._alert(owner, error)
        left = len(self.errors) - len(named)
        parts = [f"{owner}: {error}" for owner, error in named] + ([f"and {left} more"] if left else [])
        note = f"{len(self.errors)} failed and will be tried again: {'; '.join(parts)}"
        counts = {**done.counts, "owners_failed": len(self.errors)}
        return replace(done, ok=False, counts=counts, note="; ".join(filter(None, (done.note, note))))

    def _record(self, owner: str, error: Exception) -> None:
        text = redaction.excerpt(f"{type(error).__name__}: {error}", redaction.SHORT)
        with self._lock:
            self.errors.setdefault(owner, text)
        self.run.log.error(
            f"{self.run.job.name}_owner_failed", entityId=owner, error=text, stack=traceback.format_exc()
        )

    def _alert(self, owner: str, error: str) -> None:
        """Send one alert a day for each owner of the job."""
        # Imported lazily: nearly every run ends without a failed owner.
        from shared.observability import alerts

        run, now = self.run, self.run.cloud.clock.now()
        key = keys.owner_alert(run.job.name, owner)
        if table.get(run.cloud, STATE_TABLE, key).get("alerted_at", "") > clock.iso(now - REPEATED):
            return
        fields = {"job": run.job.name, "jobId": run.run_id, "entityId": owner, "error": error}
        stage = run.cloud.names.stage
        commands = [advised(stage, "why", run.job.name), advised(stage, "logs", run.job.name, "--since", "1h")]
        about = f"{run.job.name} {owner}"
        alerts.send(run.cloud, KIND, about, fields, commands, f"owner-failed#{about}#{now:%Y-%m-%d}")
        # After the alert: the other order might never send it.
        expires = int((now + 7 * REPEATED).timestamp())
        table.put(
            run.cloud, STATE_TABLE, {**key.attributes, "alerted_at": clock.iso(now), "error": error, TTL: expires}
        )
