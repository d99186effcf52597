"""Verdict on a plan, compared with the undisturbed one."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from proof.crash.end_state import EndState

# Fields of a product's row that tell of its attempts, when an attempt outside has failed.
ATTEMPTS = ("attempts", "last_error", "status")
# Counts of attempts that were begun: a process that ends in one has begun it.
BEGUN = ("attempt", "answered")


@dataclass(slots=True)
class Verdict:
    """Findings of a plan; empty lists if there are none."""

    #: Work of the undisturbed run that is missing.
    lost: list[str] = field(default_factory=list)
    #: Effects with a key of their own that arrived more often than in the undisturbed run.
    twice: list[str] = field(default_factory=list)
    #: Effects that arrived again with the key of the first one.
    repeated: list[str] = field(default_factory=list)
    #: Rows, objects or messages that differ.
    divergent: list[str] = field(default_factory=list)
    #: Leases and messages that nobody takes any more.
    stuck: list[str] = field(default_factory=list)
    #: Invariants of leases and answers that were violated on the way.
    violated: list[str] = field(default_factory=list)
    #: Runs without a record.
    silent: list[str] = field(default_factory=list)
    #: Dead letters and alerts for work that was done in the end.
    false_alerts: list[str] = field(default_factory=list)
    #: Effects whose outcome an operator has to look up.
    uncertain: list[str] = field(default_factory=list)

    def faults(self) -> dict[str, list[str]]:
        """Findings that violate the guarantee, by name.

        A repetition with its key and an uncertain effect do not.
        """
        return {
            name: found
            for name in ("lost", "twice", "divergent", "stuck", "violated", "silent", "false_alerts")
            if (found := getattr(self, name))
        }


def compare(undisturbed: EndState, disturbed: EndState, *, attempt_failed: bool = False) -> Verdict:
    """Judge a disturbed plan.

    attempt_failed: an attempt outside has failed, and may be counted.
    """
    verdict = Verdict()
    _compare_effects(verdict, undisturbed.received, disturbed.received)
    for table, expected in undisturbed.rows.items():
        left_out = (*BEGUN, *ATTEMPTS, "error") if attempt_failed else BEGUN
        rows, found = _without(left_out, expected), _without(left_out, disturbed.rows[table])
        verdict.divergent += [f"{table} lacks {row}" for row in (rows - found).elements()]
        verdict.divergent += [f"{table} has {row}" for row in (found - rows).elements()]
    verdict.divergent += _difference("objects", undisturbed.objects, disturbed.objects)
    verdict.stuck += [f"held: {claim}" for claim in disturbed.held if claim not in undisturbed.held]
    verdict.stuck += [
        f"{count} messages wait in {queue}" for queue, count in (disturbed.waiting - undisturbed.waiting).items()
    ]
    verdict.uncertain += [f"{job}" for job in (disturbed.uncertain - undisturbed.uncertain).elements()]
    _explain_by_uncertain(verdict)
    verdict.false_alerts += [f"dead letter {each}" for each in (disturbed.dead_letters - undisturbed.dead_letters)]
    return verdict


def _without(names: Collection[str], rows: Counter[str]) -> Counter[str]:
    """Rows without some fields."""
    if not any(f'"{name}"' in text for text in rows for name in names):
        return rows
    counts: Counter[str] = Counter()
    for text, number in rows.items():
        row = json.loads(text)
        counts[json.dumps({name: row[name] for name in row if name not in names})] += number
    return counts


def _explain_by_uncertain(verdict: Verdict) -> None:
    """Drop findings that resolving the uncertain effects settles.

    Each leaves one effect out at most, and changes two rows of a product.
    """
    number = len(verdict.uncertain)
    if number:
        # A consumer's message waits with its effect.
        verdict.stuck = [found for found in verdict.stuck if "messages wait" not in found]
    if number and len(verdict.lost) <= number:
        verdict.lost.clear()
    # Of the item and of a record of its calls, one row that lacks and one that is there.
    if number and len(verdict.divergent) <= 4 * number:
        verdict.divergent.clear()


def _compare_effects(verdict: Verdict, expected: Counter[Any], received: Counter[Any]) -> None:
    # By receiver: a repetition may have a new key.
    for (kind, to), count in _by_receiver(expected).items():
        keyed = {effect: number for effect, number in received.items() if (effect.kind, effect.to) == (kind, to)}
        wanted = {effect: number for effect, number in expected.items() if (effect.kind, effect.to) == (kind, to)}
        if len(keyed) < len(wanted) or sum(keyed.values()) < count:
            verdict.lost.append(f"{kind} to {to}: {sum(keyed.values())} of {count}")
        if len(keyed) > len(wanted) or (kind == "model" and sum(keyed.values()) > count):
            verdict.twice.append(f"{kind} to {to}: {sum(keyed.values())} instead of {count}")
        elif sum(keyed.values()) > count:
            verdict.repeated.append(f"{kind} to {to}")
    for kind, to in _by_receiver(received).keys() - _by_receiver(expected).keys():
        verdict.twice.append(f"{kind} to {to}, which the undisturbed run does not send")


def _by_receiver(effects: Mapping[Any, int]) -> Counter[tuple[str, str]]:
    counts: Counter[tuple[str, str]] = Counter()
    for effect, number in effects.items():
        counts[effect.kind, effect.to] += number
    return counts


def _difference(name: str, expected: Counter[str], found: Counter[str]) -> list[str]:
    return [
        *(f"{name} lack {each}" for each in expected - found),
        *(f"{name} have {each}" for each in found - expected),
    ]
