"""State of a busy night: failing, late, running and paused jobs, dead letters, effects, queues."""

from __future__ import annotations

import json
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

from shared import clock
from shared.admin import audit
from shared.admin import mute as admin_mute
from shared.admin import pause as admin_pause
from shared.aws.cloud import Cloud
from shared.aws.names import NO_TARGET
from shared.dead_letters import store
from shared.dead_letters.letter import fingerprint
from shared.job import manifest
from shared.job.action import Action
from shared.job.declared_job import DeclaredJob
from shared.job.definition import Job
from shared.ledger import ledger
from shared.ledger.daily import DailyLedger
from shared.ledger.ledger import TickOutcome, TickRecord
from shared.messages import queue_depth
from shared.messages.queue_depth import QueueMeasurement
from shared.observability.mutes import ALL_KINDS
from shared.plans import draft
from shared.plans import plan as plans
from shared.plans.plan import Plan
from shared.run import pauses
from shared.run.firing import Firing
from shared.store import failure_index, keys, table
from shared.tables import STATE, TTL

PRICING_NOTE = "1 of 2 sites bad: shop.example answered 503 in 812 ms, no price on the page"
TENANT = "org_42"
SECRET_TOKEN = "sk_live_4eC39HqLyjWDarjtT1zdp7dc"


class BusyNight:
    """Writes the rows that runs would have written."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.now = cloud.clock.now()
        self.entries = manifest.load()
        self.expires = int((self.now + timedelta(days=20)).timestamp())

    def write(self) -> None:
        for number, name in enumerate(self.entries):
            self.good(name, minutes=1 + number % 9)
        self.bad("pricing", "done", PRICING_NOTE, streak=4)
        self.bad("usage", "failed", "3 of 10 messages failed: ValueError: no meter of this name", streak=2)
        self.running("audit-log-cleanup")
        self.pause("docs", "index rebuild")
        self.mute("docs", "index rebuild")
        self.failed_messages("usage", 6)
        for number in range(14):
            self.letter("crash", f"SampleCrash: attempt 3 crashed on purpose at row {number}", number)
        for number in range(3):
            self.letter("usage", f"ValueError: no meter {number} of this name", number, tenant=TENANT)
        self.uncertain("notification-delivery")
        self.queues()
        self.ledger("pricing")
        self.braked("session-cleanup")
        scope = {"job": "crash"}
        with audit.OperatorAuditEntry(self.cloud, "dead retry", "ada@laptop", "after the fix", scope) as entry:
            entry.add("one")

    def good(self, name: str, minutes: int = 5) -> None:
        started = self.now - timedelta(minutes=minutes)
        at = clock.iso(started + timedelta(milliseconds=840))
        status = {"outcome": "done", "ok": True, "at": at, "ms": 840, "lastGood": clock.iso(started)}
        self.claim(name, status={**status, "recent": "+" * 30}, state="COMPLETED", fence=7)
        self.row(name, started, "done", True, counts={"items": 12})

    def bad(self, name: str, outcome: str, note: str, streak: int) -> None:
        started = self.now - timedelta(minutes=3)
        since = self.now - timedelta(minutes=3 + 15 * streak)
        status = {
            "outcome": outcome,
            "ok": False,
            "at": clock.iso(started + timedelta(milliseconds=812)),
            "ms": 812,
            "note": note[:100],
            "streak": streak,
            "firstError": note[:60],
            "failingSince": clock.iso(since),
            "lastGood": clock.iso(since - timedelta(minutes=15)),
            "recent": "+" * (30 - streak) + "-" * streak,
        }
        self.claim(name, status=status, state="FAILED", fence=9)
        for number in range(streak):
            self.row(name, started - timedelta(minutes=15 * number), outcome, False, note=note)

    def running(self, name: str) -> None:
        started = self.now - timedelta(minutes=2)
        run = f"{started:%Y%m%dT%H%M%S}.000Z-run1"
        status = {"outcome": "done", "ok": True, "at": clock.iso(self.now - timedelta(days=1)), "ms": 4000}
        until = clock.milliseconds(self.now + timedelta(minutes=4))
        more = {"holder": run, "run": run, "started": clock.iso(started), "lease_until": until, "step": "delete"}
        self.claim(name, status=status, state="PROCESSING", progress=40, fence=3, **more)

    def pause(self, name: str, reason: str) -> None:
        declared: Any = DeclaredJob(name, self.entries[name])
        until = self.now + timedelta(hours=4)
        admin_pause.pause(self.cloud, cast(Job, declared), pauses.WHOLE, "ada@laptop", reason, until)

    def mute(self, name: str, reason: str) -> None:
        declared: Any = DeclaredJob(name, self.entries[name])
        until = self.now + timedelta(hours=4)
        admin_mute.mute(self.cloud, cast(Job, declared), name, ALL_KINDS, "ada@laptop", reason, until)

    def claim(self, name: str, **attributes: Any) -> None:
        table.put(self.cloud, STATE, {**keys.claim(self.entries[name]["key"]).attributes, **attributes})

    def row(self, name: str, started: Any, outcome: str, ok: bool, **more: Any) -> str:
        run = f"{started:%Y%m%dT%H%M%S}.000Z-{name[:4]}{more.pop('suffix', '')}"
        index = {} if ok else failure_index.keys_of_run(name, run, started, more.get("tenant", ""))
        values = {"job": name, "target": NO_TARGET, "outcome": outcome, "ok": ok, "started": clock.iso(started)}
        tick = f"{clock.minute(started)}#00"
        key = keys.run(name, run).attributes
        item = {**key, **values, "tick": tick, "ms": 812, "attempt": 1, TTL: self.expires, **index, **more}
        table.put(self.cloud, STATE, item)
        return run

    def failed_messages(self, name: str, count: int) -> None:
        for number in range(count):
            started = self.now - timedelta(minutes=7 * number + 4)
            more = {"tenant": TENANT, "entityId": f"meter-{number}", "suffix": f".{number}"}
            self.row(name, started, "failed", False, note="ValueError: no meter of this name", **more)

    def letter(self, job: str, error: str, number: int, tenant: str = "", run: str = "") -> str:
        # That of a run follows it.
        at = self.now if run else self.now - timedelta(hours=1, minutes=number)
        identity = f"{number:02x}{fingerprint(job, str(number))}{'0' * 2}"[:16]
        sk = f"{clock.iso(at)}#{identity}"
        payload = f"dead/{job}/{identity}.json"
        message = {"event": json.dumps({"type": "x", "token": SECRET_TOKEN})}
        firing = {"firing": Firing(job, at, attempt=4, correlation_id="seed").data()}
        content = {"dead": {"job": job, **(message if self.entries[job]["queue"] else firing)}}
        self.cloud.s3.put_object(Bucket=self.cloud.names.bucket, Key=payload, Body=json.dumps(content).encode())
        row = {
            **keys.dead_letter(job, sk).attributes,
            **failure_index.keys_of_dead_letter(job, at, tenant),
            **({"tenant": tenant} if tenant else {}),
            **({"run": run} if run else {}),
            "job": job,
            "id": identity,
            "diedAt": clock.iso(at),
            "reason": "all 4 attempts used up",
            "error": error,
            "fingerprint": fingerprint(job, error),
            "attempts": 4,
            "payload": payload,
            TTL: self.expires,
        }
        table.put(self.cloud, STATE, row)
        store.record_job(self.cloud, job)
        return identity

    def uncertain(self, job: str, key: str = "notify:ada:42") -> None:
        begun = self.now - timedelta(minutes=30)
        row = {"run": "20260302T113000.000Z-dead", "at": clock.iso(begun), "nonce": "n1", "lease_until": 1}
        table.put(self.cloud, STATE, {**keys.effect(job, key).attributes, **row, "uncertain": clock.iso(begun)})
        listed = {"job": job, "begun": clock.iso(begun), "since": clock.iso(begun), "tenant": TENANT, "run": row["run"]}
        index = failure_index.keys_of_uncertain_effect(job, begun, TENANT)
        error = "ReadTimeout: the mail server did not answer"
        table.put(self.cloud, STATE, {**keys.uncertain_effect(job, key).attributes, **listed, "error": error, **index})

    def plan(self, name: str, count: int = 3) -> Plan:
        """The plan that `--dry-run` stores."""
        job: Any = SimpleNamespace(name=name, cutoff=lambda _: self.now - timedelta(days=30))
        tick: Any = SimpleNamespace(target=NO_TARGET, at=self.now)
        actions = (Action("delete", f"row-{number}", 1) for number in range(count))
        with draft.from_actions(actions) as drafted:
            return plans.create(self.cloud, job, tick, drafted, "ada@laptop")

    def braked(self, name: str) -> None:
        """The plan that the brake made, as its row names it."""
        row = {"size": 3, "plan": self.plan(name).id, TTL: self.expires}
        table.put(self.cloud, STATE, {**keys.brake(name, NO_TARGET).attributes, **row})

    def queues(self) -> None:
        for queue, job in queue_depth.queues(self.entries).items():
            busy = job == "usage"
            stuck = clock.iso(self.now - timedelta(minutes=22)) if busy else ""
            counts = (41, 2, 3) if busy else (0, 0, 0)
            measured = QueueMeasurement(
                queue, job, *counts, 0, 900, 1200, 6, 12.5 if busy else 0, stuck, clock.iso(self.now)
            )
            queue_depth.write(self.cloud, measured)

    def ledger(self, name: str) -> None:
        since = self.now - timedelta(days=2)
        ticks = ledger.expected_ticks(self.entries[name], since, self.now - timedelta(hours=1))
        bad = {150: TickOutcome.MISSED, 162: TickOutcome.FAILED, 163: TickOutcome.FAILED, 171: TickOutcome.LATE}
        DailyLedger(self.cloud, name).add(
            {tick: TickRecord(bad.get(number, TickOutcome.RAN)) for number, tick in enumerate(ticks)}
        )
