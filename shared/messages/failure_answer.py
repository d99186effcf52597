"""Answer a failed attempt: the next attempt, or a dead letter."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from shared.dead_letters.letter import RECEIVES
from shared.job.outcome import Rejected
from shared.messages import resend
from shared.messages.answered_attempts import Answer, AnsweredAttempts, answer_now
from shared.messages.message import Message, P
from shared.messages.message_handler import Defer, MessageHandler
from shared.run import send

if TYPE_CHECKING:
    from shared.run.context import RunContext


def answer_failure(
    consumer: MessageHandler[P],
    run: RunContext,
    attempts: AnsweredAttempts,
    message: Message[P],
    error: Exception,
    text: str,
) -> Answer | None:
    """Send the next attempt or a dead letter, by the policy.

    None where the queue itself delivers the message again. text: the redacted error.
    """
    retry, attempt = consumer.retry, message.attempt
    copied = bool(retry.delays) and resend.fits(message, text)
    if retry.delays and not copied:
        # No room for the attributes of a copy: the receives of the queue are the attempts.
        attempt = max(attempt, message.receives)
    delay = None if isinstance(error, Rejected) else retry.jittered(attempt)
    least = ceil(error.seconds) if isinstance(error, Defer) and error.counted else 0
    made = attempt if retry.delays else message.receives
    subject = message.subject(run.run_id, made, send.code_version(run.cloud))
    if isinstance(error, Rejected):
        answer = answer_now(run.cloud, str(error), reason="rejected", subject=subject)
    elif delay is None and retry.delays:
        reason = f"all {retry.attempts} attempts used up"
        answer = answer_now(run.cloud, text, reason=reason, subject=subject)
    elif copied and delay is not None:
        answer = answer_now(run.cloud, text, max(delay, least))
    elif message.receives >= RECEIVES and not consumer.dead_letter_queue:
        # The queue would move it to its dead-letter queue now, without the reason.
        answer = answer_now(run.cloud, text, reason=f"all {RECEIVES} receives used up", subject=subject)
    else:
        if delay is not None:
            resend.hide(run.cloud, message, max(delay, least))
        return None
    attempts.answer(message, answer)
    return answer
