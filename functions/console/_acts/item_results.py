"""Act on several items, each by itself, and count the results."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from functions.console._acts.preview import ActIncomplete, ActRefused
from functions.console._request import PageError
from shared import redaction
from shared.admin.audit import ReasonMissing
from shared.admin.effects import NothingToResolve
from shared.admin.pause import PauseRefused
from shared.dead_letters.letter import DeadLetterRefused, RedriveInProgress, UnknownDeadLetter
from shared.plans.plan import PlanRefused, UnknownPlan

REFUSALS = (
    *(ActRefused, PauseRefused, DeadLetterRefused, RedriveInProgress, UnknownDeadLetter, NothingToResolve),
    *(ReasonMissing, PlanRefused, UnknownPlan),
)
# Reasons that an answer names; the audit log has each.
NAMED = 3
MAX_ERROR = 200


@dataclass(slots=True)
class ItemResults:
    """Counts of the items that were done, and why others were not."""

    done: int = 0
    refused: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return self.done + len(self.refused) + len(self.failed)

    @contextmanager
    def item(self, name: str) -> Iterator[None]:
        """Act on one item; its error does not stop the others."""
        try:
            yield
        except (*REFUSALS, PageError) as error:
            self.refused.append(f"{name}: {error}")
        except Exception as error:  # noqa: BLE001 - the answer names it, and the other items go on
            self.failed.append(f"{name}: {error_text(error)}")
        else:
            self.done += 1

    def answer(self, sentence: str) -> str:
        """Return the answer for all items.

        Raises ActRefused if each was refused, and ActIncomplete if some were refused or failed.
        """
        if self.refused and len(self.refused) == self.total:
            raise ActRefused(_named(self.refused))
        parts = [sentence]
        if self.refused:
            parts.append(f"{len(self.refused)} refused ({_named(self.refused)})")
        if self.failed:
            parts.append(
                f"{len(self.failed)} failed ({_named(self.failed)}); look at the audit log before you repeat it"
            )
        if len(parts) > 1:
            raise ActIncomplete("; ".join(parts))
        return sentence


def error_text(error: Exception) -> str:
    """Return type and text of an error, redacted and cut."""
    return f"{type(error).__name__}: {redaction.sample(str(error), MAX_ERROR)}"


def _named(reasons: list[str]) -> str:
    more = [f"and {len(reasons) - NAMED} more"] if len(reasons) > NAMED else []
    return "; ".join([*reasons[:NAMED], *more])
