"""Web evaluation of one task: claim, call of the site, and result."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import timedelta

from functions.sites._evaluation_result import EvaluationResult
from functions.sites._webevals import Task, Webevals
from shared import redaction
from shared.clock import Clock, iso
from shared.http.client import HostBusy, HttpClient, HttpResponse, NoResponse
from shared.http.sites import Site
from shared.job import explicit
from shared.text.untrusted_json import InvalidJson, parse_json

ENDPOINT = "/api/web-eval/run"
# Delays between the attempts at one task; the next tick after a delay attempts it.
RETRY = explicit(300, 900)
LARGEST_RESULT = 64 * 1024
BUSY = (429, 503)
# Statuses that the site's owner can resolve, such as a wrong token; any other 4xx is caused by the task itself.
RETRYABLE = (401, 403, 408, 425)
DEFERRAL = 60
LONGEST_DEFERRAL = 24 * 3600


@dataclass(frozen=True, slots=True)
class Evaluator:
    """Client that executes tasks."""

    tasks: Webevals
    http: HttpClient
    clock: Clock
    claim_for: int
    """Seconds of a claim: longer than a run, so that an expired claim belongs to a lost run."""

    def execute(self, site: Site, waiting: Task) -> EvaluationResult:
        task = self.tasks.claim(waiting, self.clock.now() + timedelta(seconds=self.claim_for))
        if task is None:
            return self._end_of(waiting, "taken")
        if task.attempt > RETRY.attempts:
            return self._failed(task, f"all {RETRY.attempts} runs that began it were interrupted")
        try:
            answer = self.http.call(
                "POST", site.at(ENDPOINT), json={"task": task.id, "url": task.url}, key=task.key, internal=True
            )
        except HostBusy as busy:
            return self._put_off(task, busy.seconds)
        except NoResponse as error:
            return self._again(task, str(error))
        return self._settle(task, answer)

    def _settle(self, task: Task, answer: HttpResponse) -> EvaluationResult:
        if answer.status in BUSY and (answer.retry_after is not None or answer.status == 429):
            return self._put_off(task, DEFERRAL if answer.retry_after is None else answer.retry_after, answer)
        if answer.status >= 300:
            fault = f"answered {answer.status}"
            final = answer.status < 500 and answer.status not in RETRYABLE
            return self._failed(task, fault, answer) if final else self._again(task, fault, answer)
        try:
            result = _result(answer.text)
        except ValueError as error:
            return self._again(task, str(error), answer)
        end = self._end_of(task, "done", "", answer, redaction.sample(result))
        return _unless_taken(end, self.tasks.done(task, result, end.report()))

    def _put_off(self, task: Task, seconds: float, answer: HttpResponse | None = None) -> EvaluationResult:
        wait = min(max(seconds, 1), LONGEST_DEFERRAL)
        end = self._end_of(task, "put off", f"for {wait:.0f} s, as the site asked", answer)
        return _unless_taken(end, self.tasks.defer(task, self.clock.now() + timedelta(seconds=wait)))

    def _again(self, task: Task, fault: str, answer: HttpResponse | None = None) -> EvaluationResult:
        delay = RETRY.delay(task.attempt)
        if delay is None:
            return self._failed(task, f"attempt {task.attempt} of {RETRY.attempts}: {fault}", answer)
        end = self._end_of(task, "retried", fault, answer)
        due = self.clock.now() + timedelta(seconds=delay)
        return _unless_taken(end, self.tasks.retry(task, due, end.report()))

    def _failed(self, task: Task, fault: str, answer: HttpResponse | None = None) -> EvaluationResult:
        end = self._end_of(task, "failed", fault, answer)
        return _unless_taken(end, self.tasks.failed(task, end.report()))

    def _end_of(
        self, task: Task, state: str, note: str = "", answer: HttpResponse | None = None, sample: str = ""
    ) -> EvaluationResult:
        status, ms = (answer.status, answer.ms) if answer else (None, 0)
        # Cut once: an excerpt of an excerpt may differ, and a report is removed from its row by comparison.
        note = redaction.excerpt(note, redaction.LONG)
        return EvaluationResult(task, state, iso(self.clock.now()), note, status, ms, sample)


def _unless_taken(end: EvaluationResult, kept: bool) -> EvaluationResult:
    """Return the result, or `taken` if another run claimed the task."""
    return end if kept else replace(end, state="taken")


def _result(text: str) -> str:
    """The result as compact JSON.

    Raises ValueError if it is no object, or too large for a row.
    """
    try:
        result = parse_json(text)
    except InvalidJson as error:
        raise ValueError(f"answered JSON that {error}") from None
    if not isinstance(result, dict):
        raise ValueError(f"answered a JSON {type(result).__name__}, not an object")
    compact = json.dumps(result, separators=(",", ":"), ensure_ascii=False)
    if len(compact.encode()) > LARGEST_RESULT:
        raise ValueError(f"answered a result of more than {LARGEST_RESULT} bytes")
    return compact
