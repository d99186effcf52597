"""Evaluation of assessments by a language model (QJ-01)."""

from __future__ import annotations

from typing import Any

from functions.assessments import _assessment, _llm, _rubric
from functions.assessments._assessment import COMPLETED, AlreadyCompleted, Assessment, error_text
from functions.assessments._reply import Busy, Incomplete, ProviderRefused, Reply, Unanswered
from functions.assessments._rubric import Evaluation, InvalidAnswer
from shared.archetypes.consumer import Consumer, Defer, Message, Tenant
from shared.job import (
    Confirmed,
    Effect,
    InFlight,
    NotDone,
    Rejected,
    RunContext,
    SettingError,
    UncertainOutcome,
    Unknown,
    days,
    keyed,
    produce,
    retry_policies,
)
from shared.messages import envelope, resend
from shared.product import organization
from shared.product.organization_notification import NOTIFICATIONS, NotificationSubject, OrganizationNotification

QUEUE = "assessments:evaluation"
# Last part of the key of the effect that notifies of a failure; that of a call is a number.
FAILURE_NOTICE = "failed"


class NotFound(Rejected):
    """There is no such assessment of that user.

    No row of it may be written.
    """


class Unrepeatable(Rejected):
    """The same request would end in the same way.

    It is not paid for again.
    """


class Evaluate(Consumer[Evaluation]):
    """Score a transcript by a language model; store result and cost.

    A call to the model is an effect of the assessment. Only a stored answer that cannot be used is followed by another
    call, one per attempt: neither a duplicate message, nor an interruption, nor a failure after the answer pays again.
    """

    queue = QUEUE
    retry = retry_policies.LLM
    timeout = 300
    memory = 512
    batch_size = 1
    costly = True
    effects = days(60)
    retention = "critical"
    idempotency = keyed(
        "a call is an effect of the assessment; another one follows only a stored answer that is unusable"
    )
    settings = _llm.SETTINGS
    permissions = (*organization.GRANTS, *_assessment.GRANTS, *_llm.GRANTS, *produce(NOTIFICATIONS))

    def admits(self, run: RunContext, tenant: Tenant) -> bool:
        return organization.admits(run.cloud, tenant)

    def handle(self, run: RunContext, message: Message[Evaluation]) -> None:
        payload = message.payload
        assessment = Assessment(run.cloud, Tenant(payload.organization_id), payload.assessment_id)
        run.log = run.log.bind(entityId=payload.assessment_id)
        try:
            self._evaluate(run, assessment, payload, message.attempt)
        except AlreadyCompleted:
            run.log.info("evaluation_duplicate", step="finished", percentage=100)
        except (InFlight, NotFound, SettingError, UncertainOutcome):
            # Not an attempt: nothing has failed, and the assessment is not over.
            raise
        except Defer as deferred:
            # Not an attempt either, until the message has been deferred for a day.
            if resend.deferred_too_long(run.cloud, message):
                self._fail(run, assessment, message, deferred.__cause__ or deferred)
            raise
        except Exception as error:
            self._fail(run, assessment, message, error)
            raise

    def reconcile(self, effect: Effect) -> Confirmed | NotDone | Unknown:
        if effect.key.endswith(f"#{FAILURE_NOTICE}"):
            # The consumer of notifications deduplicates by the notification's key.
            return NotDone()
        # A second call would be charged too, and the first one may have been.
        return Unknown("look for the key in the provider's usage; `redo` pays for another call")

    def _evaluate(self, run: RunContext, assessment: Assessment, payload: Evaluation, attempt: int) -> None:
        row = assessment.read()
        if not row:
            raise NotFound(f"there is no assessment {assessment.id}")
        if row.get("user", payload.user_id) != payload.user_id:
            raise NotFound(f"{payload.assessment_id} is not an assessment of that user")
        if row.get("state") == COMPLETED:
            raise AlreadyCompleted(f"{assessment.id} is completed")
        _step(run, assessment, "started", 0)
        _step(run, assessment, "fetching_data", 10)
        question = _rubric.question(payload)
        _step(run, assessment, "evaluating", 50)
        answer, result = self._usable_answer(run, assessment, payload, question, attempt)
        assessment.complete(
            result=result.model_dump(mode="json"),
            score=result.overall(payload.rubric),
            micros=answer["micros"],
            **({"cost_estimated": True} if answer.get("estimated") else {}),
            model=run.setting(_llm.MODEL.name),
        )
        run.progress("finished", 100)

    def _usable_answer(
        self, run: RunContext, assessment: Assessment, payload: Evaluation, question: str, attempt: int
    ) -> tuple[dict[str, Any], Any]:
        """Return the first answer that can be used, and its result.

        Stored answers cost nothing. A call is made where none is left, and never more calls than attempts.
        """
        for call in range(1, attempt + 1):
            answer, stored = self._ask(run, assessment, question, call)
            assessment.record_call(call, run.run_id, answer)
            try:
                return answer, _result(answer, payload)
            except (Incomplete, InvalidAnswer):
                # An answer of this attempt ends it: the next one comes after a delay.
                if not stored or call == attempt:
                    raise
        raise AssertionError("attempts count from 1")

    def _ask(self, run: RunContext, assessment: Assessment, question: str, call: int) -> tuple[dict[str, Any], bool]:
        """Return the answer to a call, and whether it was made before."""
        stored = True

        def ask(key: str) -> dict[str, Any]:
            nonlocal stored
            stored = False
            try:
                reply = _llm.of(run).ask(_rubric.SYSTEM, question, key)
            except Incomplete as error:
                if isinstance(error, Unanswered) and run.setting(_llm.UNANSWERED.name) == _llm.HOLD:
                    raise
                # It may have been charged, so it is a call; the next attempt makes another.
                usage = error.usage
                reply = Reply("", usage.read, usage.written, whole=False, estimated=usage.estimated)
                return {"silent": str(error), **_cost(run, reply)}
            text = {"text": reply.text, "whole": reply.whole, "unrepeatable": reply.unrepeatable}
            return {**text, **_cost(run, reply)}

        try:
            answer: dict[str, Any] = run.effect(f"{assessment.tenant.id}#{assessment.id}#{call}", ask)
        except Unanswered as error:
            # Not an attempt: the effect is uncertain, and listed at the next delivery.
            raise Defer(1) from error
        except Busy as busy:
            raise Defer(busy.seconds) from busy
        except ProviderRefused as refused:
            raise Rejected(str(refused)) from refused
        return answer, stored

    def _fail(
        self, run: RunContext, assessment: Assessment, message: Message[Evaluation], error: BaseException
    ) -> None:
        text = error_text(error)
        run.log.error("evaluation_failed", step="error", error=text)
        try:
            assessment.fail(text)
        except AlreadyCompleted:
            return
        try:
            if isinstance(error, Rejected) or message.attempt >= self.retry.attempts:
                self._notify(run, message.payload, text)
        except Exception as worse:  # noqa: BLE001 - the reason of the failure must not be replaced by another one
            run.log.error("evaluation_failure_not_sent", error=error_text(worse))

    def _notify(self, run: RunContext, payload: Evaluation, reason: str) -> None:
        """Notify the organization once of its failed assessment."""
        notification = OrganizationNotification(
            organization_id=payload.organization_id,
            correlation_id=payload.correlation_id,
            type="evaluation_failed",
            data=NotificationSubject(feature=payload.assessment_id, reason=reason),
        )
        run.effect(
            f"{payload.organization_id}#{payload.assessment_id}#{FAILURE_NOTICE}",
            lambda _: envelope.send(run.cloud, NOTIFICATIONS, notification),
        )


def _cost(run: RunContext, reply: Reply) -> dict[str, Any]:
    cost = {"micros": _llm.micros(run, reply), "read": reply.read, "written": reply.written}
    return {**cost, "estimated": True} if reply.estimated else cost


def _result(answer: dict[str, Any], payload: Evaluation) -> Any:
    """Return the result in an answer. Raises Incomplete or InvalidAnswer."""
    if "silent" in answer:
        raise Incomplete(answer["silent"])
    if answer.get("unrepeatable"):
        raise Unrepeatable(answer["unrepeatable"])
    if not answer["whole"]:
        raise InvalidAnswer("the answer is incomplete")
    return _rubric.read(answer["text"], payload.rubric)


def _step(run: RunContext, assessment: Assessment, step: str, percent: int) -> None:
    run.progress(step, percent)
    assessment.progress(step, percent)
