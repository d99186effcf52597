"""Perform effects at most once: intent, call, confirmation.

A crash between intent and confirmation leaves the outcome unknown; the job is then asked to reconcile it, and the call
is never repeated blindly. An effect costs two calls to DynamoDB and two write units, a duplicate one of each.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared import clock, redaction
from shared.job.effect import LONGEST_KEY, InFlight, NotPerformed, UncertainOutcome, Unconfirmed
from shared.job.lease_margin import lease_seconds
from shared.run import effect_results, known_outcomes
from shared.run.known_outcomes import KnownOutcome
from shared.store import keys, table
from shared.store.fencing import Fenced
from shared.store.table import ConditionFailed
from shared.tables import STATE, TTL

if TYPE_CHECKING:
    from shared.run.context import RunContext

# Looks at the row of one effect, as long as reconciling it changes the row.
TRIES = 3


class Effects:
    """The effects of one run."""

    def __init__(self, run: RunContext) -> None:
        if run.job.effects is None:
            raise LookupError(f"{run.job.name} declares no effects; set how long they are remembered, as in days(30)")
        self.run = run
        self.cloud = run.cloud
        self.job = run.job
        self.lease = run.claims.target if run.claims else ""
        self.fence = run.claim.fence if run.claim else 0
        # Until then nobody else can be given the lease, and Lambda has ended a run without one.
        self.until = run.started + timedelta(seconds=lease_seconds(run.job.timeout, run.cloud.environment))

    def perform(self, key: str, do: Callable[[str], Any]) -> Any:
        """Perform one effect, see `RunContext.effect`."""
        if not key or len(key.encode()) > LONGEST_KEY:
            raise ValueError(f"an effect's key has 1 to {LONGEST_KEY} bytes, not {len(key.encode())}: {key:.80}")
        nonce = secrets.token_hex(8)
        for _ in range(TRIES):
            self._check_time(key)
            if known := self.run.known_outcomes.get(key):
                self._settle(known)
                if key in self.run.known_outcomes and known.performed:
                    raise self._unconfirmed(key)
            row = self._begin(key, nonce)
            if not row:
                return self._do(key, nonce, do)
            if "done" in row:
                return effect_results.load(self.cloud, row)
            self._require_abandoned(key, row)
            # Imported lazily: few runs find an effect that another one left open.
            from shared.run import reconcile

            try:
                reconcile.reconcile_intent(self.run, key, row, self._intent(nonce))
            except UncertainOutcome:
                raise
            except BaseException:
                # The intent may have become this run's, and nothing was called.
                self._settle(KnownOutcome(key, nonce, performed=False))
                raise
        raise InFlight(key, 1)

    def _intent(self, nonce: str) -> dict[str, Any]:
        return {
            "nonce": nonce,
            "run": self.run.run_id,
            "lease": self.lease,
            "fence": self.fence,
            "at": clock.iso(self.cloud.clock.now()),
            "lease_until": clock.milliseconds(self.until),
        }

    def _check_time(self, key: str) -> None:
        """Raise Fenced or NotPerformed where the run's lease or time is over."""
        # A lease that expired may be another run's by now, which performs the same effects.
        now = self.cloud.clock.now()
        if now >= self.until:
            raise Fenced(f"{self.job.name}: the lease ran out before {key!r} was begun")
        if now >= self.run.deadline:
            raise NotPerformed(f"{self.job.name}: the run's time was up before {key!r} was begun")

    def _begin(self, key: str, nonce: str) -> dict[str, Any]:
        """Write the intent; delete it again where its reply was lost.

        Raises NotPerformed then, since nothing was called.
        """
        try:
            return self._write_intent(key, nonce)
        except BaseException as error:
            # The write may have succeeded, and the next run could not know that nothing was called.
            self._settle(KnownOutcome(key, nonce, performed=False))
            if not isinstance(error, Exception):
                raise
            text = f"{type(error).__name__}: {error}"
            raise NotPerformed(f"{self.job.name}: the intent of {key!r} was not written: {text}") from error

    def _settle(self, known: KnownOutcome) -> None:
        """Write an outcome, or keep it for the end of the run."""
        try:
            known_outcomes.write(self.run, known)
        except Exception as error:  # noqa: BLE001 - it is written later
            self.run.known_outcomes[known.key] = known
            self.run.log.warning("effect_not_written_yet", effect=known.key, error=f"{type(error).__name__}: {error}")
        else:
            self.run.known_outcomes.pop(known.key, None)

    def _write_intent(self, key: str, nonce: str) -> dict[str, Any]:
        """Write the intent. Return the row that prevents it, if any."""
        try:
            table.put_if(
                self.cloud,
                STATE,
                {**keys.effect(self.job.name, key).attributes, **self._intent(nonce)},
                # Only confirmed effects expire.
                "attribute_not_exists(pk) OR #expires < :now",
                {":now": int(self.cloud.clock.now().timestamp())},
                names={"#expires": TTL},
                # Also the row that reconciling left to this run.
                won=lambda row: row.get("nonce") == nonce and "done" not in row,
            )
        except ConditionFailed as failed:
            return failed.item
        return {}

    def _require_abandoned(self, key: str, row: Mapping[str, Any]) -> None:
        """Raise InFlight unless the run that wrote the intent must have ended."""
        # This run holds the lease that the other held earlier; without a common lease only its end proves it.
        succeeded = self.fence > row["fence"] and self.lease == row["lease"]
        left = (row["lease_until"] - clock.milliseconds(self.cloud.clock.now())) / 1000
        if left >= 0 and not succeeded:
            raise InFlight(key, left + 1)

    def _do(self, key: str, nonce: str, do: Callable[[str], Any]) -> Any:
        try:
            # Checked again: a frozen process continues anywhere. Nothing protects the moment between check and call.
            self._check_time(key)
        except (NotPerformed, Fenced):
            self._settle(KnownOutcome(key, nonce, performed=False))
            raise
        try:
            result = do(effect_results.token(self.cloud.names, self.job.name, key))
        except NotPerformed:
            self._settle(KnownOutcome(key, nonce, performed=False))
            raise
        except BaseException as error:
            self._abandon(key, nonce, error)
            raise
        return self._confirm(key, nonce, result)

    def _abandon(self, key: str, nonce: str, error: BaseException) -> None:
        """End the intent's lease, so that it is reconciled at once.

        Where that fails, it is reconciled after the lease.
        """
        with suppress(Exception):
            text = redaction.excerpt(f"{type(error).__name__}: {error}", redaction.SHORT)
            table.update_if(
                self.cloud,
                STATE,
                keys.effect(self.job.name, key),
                "SET lease_until = :zero, #error = :error",
                {":zero": 0, ":error": text, ":nonce": nonce},
                "nonce = :nonce",
                names={"#error": "error"},
            )

    def _confirm(self, key: str, nonce: str, result: Any) -> Any:
        """Write the result and return it as a duplicate will get it.

        Raises Unconfirmed where it cannot be written until the run's deadline: a result that is returned is stored.
        """
        try:
            # Through JSON: a tuple is a list, here and for duplicates.
            data = json.loads(json.dumps(result))
        except (TypeError, ValueError):
            # The call returned, even though its result is no JSON data.
            self._confirm(key, nonce, None)
            raise
        try:
            confirmed = known_outcomes.keep_trying(self.run, lambda: self._write_result(key, nonce, data))
        except BaseException as error:
            self.run.known_outcomes[key] = KnownOutcome(key, nonce, performed=True, result=data)
            if not isinstance(error, Exception):
                raise
            self.run.log.error("effect_unconfirmed", effect=key, error=f"{type(error).__name__}: {error}")
            raise self._unconfirmed(key) from error
        if not confirmed:
            self.run.log.error("effect_contested", effect=key, error="another run took it over while it was done")
            raise Fenced(f"{self.job.name}: {key!r} was taken over by another run while it was done")
        return data

    def _unconfirmed(self, key: str) -> Unconfirmed:
        """Return the error that defers the work beyond this run's lease."""
        return Unconfirmed(key, max(0.0, (self.until - self.cloud.clock.now()).total_seconds()) + 1)

    def _write_result(self, key: str, nonce: str, result: Any) -> bool:
        """Confirm the effect; False where another run has it."""
        name, value = effect_results.store(self.cloud, self.job.name, key, nonce, result)
        assert self.job.effects is not None
        now = self.cloud.clock.now()
        try:
            table.update(
                self.cloud,
                STATE,
                keys.effect(self.job.name, key),
                "SET done = :done, #result = :result, #expires = :expires REMOVE lease_until, #error",
                {
                    ":done": clock.iso(now),
                    ":result": value,
                    ":expires": int((now + self.job.effects).timestamp()),
                    ":nonce": nonce,
                },
                # A repeat after a lost reply meets the same nonce and writes the same values.
                condition="nonce = :nonce AND attribute_not_exists(uncertain)",
                names={"#result": name, "#expires": TTL, "#error": "error"},
            )
        except ConditionFailed as failed:
            if failed.item.get("nonce") != nonce:
                return False
            # Imported lazily: few effects are confirmed after they were listed as uncertain.
            from shared.run import reconcile

            # The row and its entry in the list together, unless an operator has resolved it since.
            if not reconcile.confirm(self.cloud, self.job, key, nonce, result):
                raise
        return True
