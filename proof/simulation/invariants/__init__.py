"""Invariants of a simulation, checked on the way and at its end."""

from __future__ import annotations

from proof.simulation.invariants.batch_answers import BatchAnswers
from proof.simulation.invariants.claim_rules import ClaimRules
from proof.simulation.invariants.effects_once import EffectsOnce
from proof.simulation.invariants.exact_counters import ExactCounters
from proof.simulation.invariants.invariant import Invariant
from proof.simulation.invariants.message_conservation import MessageConservation
from proof.simulation.invariants.recorded_runs import RecordedRuns
from proof.simulation.invariants.retained_rows import RetainedHistory
from proof.simulation.invariants.tick_ledger import TickLedger
from proof.simulation.invariants.visible_failures import VisibleFailures

INVARIANTS: tuple[type[Invariant], ...] = (
    ClaimRules,
    BatchAnswers,
    EffectsOnce,
    ExactCounters,
    MessageConservation,
    RecordedRuns,
    RetainedHistory,
    TickLedger,
    VisibleFailures,
)
