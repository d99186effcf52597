"""Reply of a model, and the errors of a call."""

from __future__ import annotations

from dataclasses import dataclass

from functions.assessments._answer_text import has_json_object
from functions.assessments._completion import CUT, FILTERED
from functions.assessments._token_usage import TokenUsage
from shared.job import NotPerformed

# Seconds to wait if the provider names none.
BUSY = 30.0


class Busy(NotPerformed):
    """The provider is over its rate limit, and charged nothing.

    Retry in `seconds`.
    """

    def __init__(self, provider: str, seconds: float) -> None:
        super().__init__(f"{provider} is over its rate limit for another {seconds:.0f} s")
        self.seconds = seconds


class ProviderFailed(NotPerformed):
    """The provider failed and charged nothing; a retry may succeed."""


class ProviderRefused(NotPerformed):
    """The provider rejects the call and each retry of it.

    The model or key is wrong, or the prompt too long.
    """


class Incomplete(Exception):
    """The answer was interrupted, and may have been charged for."""

    def __init__(self, message: str, usage: TokenUsage | None = None) -> None:
        super().__init__(message)
        #: What is booked for it: what has arrived, and an estimate of the rest.
        self.usage = usage or TokenUsage(0, 0, estimated=True)


class Unanswered(Incomplete):
    """No answer at all: the call may have been charged."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer of a model."""

    text: str
    read: int
    """Input tokens, as counted by the provider."""
    written: int
    """Output tokens, as counted by the provider."""
    whole: bool = True
    """Whether the answer is complete."""
    estimated: bool = False
    """Whether the numbers of tokens are estimates, since the provider sent none that can be right."""
    unrepeatable: str = ""
    """Why the same request would end in the same way; empty if another answer may be complete."""


def of_text(text: str, reason: str, usage: TokenUsage, refusal: str = "", ended: bool = True) -> Reply:
    """Return the reply for an answer's text.

    reason: why the answer ended, as the provider gave it. ended: whether its end has arrived.
    """
    reason = reason.lower()
    if has_json_object(text):
        # The answer is there, however it ended.
        unrepeatable, whole = "", True
    elif refusal and not text.strip():
        unrepeatable, whole = "the model refused to answer", False
    elif reason in CUT:
        unrepeatable, whole = f"the answer is longer than allowed ({reason}); raise LLM_MAX_TOKENS", False
    elif reason in FILTERED:
        unrepeatable, whole = f"the provider's filter stopped the answer ({reason})", False
    else:
        unrepeatable, whole = "", bool(reason or ended)
    return Reply(text, usage.read, usage.written, whole, usage.estimated, unrepeatable)
