"""One web evaluation: claim the task, have the site do it, settle the task by what it answered."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta

from functions.sites._webevals import Task, Webevals
from shared import redaction
from shared.clock import Clock
from shared.http.client import HostBusy, HttpClient, HttpResponse, NoResponse
from shared.http.sites import Site
from shared.job import explicit

ENDPOINT = "/api/web-eval/run"
# Between the attempts at one task; the tick that comes next takes it up.
RETRY = explicit(300, 900)
LARGEST_RESULT = 64 * 1024
BUSY = (429, 503)
# A bad token or a closed gate is set right by its owner, and time; any other 4xx is about the task itself.
WORTH_A_RETRY = (401, 403, 408, 425)
PUT_OFF = 60
LONGEST_PUT_OFF = 24 * 3600


@dataclass(frozen=True, slots=True)
class End:
    """How it went. state: done, failed, retried, put off, or taken by another run. status: of the answer, if any."""

    task: Task
    state: str
    note: str = ""
    status: int | None = None
    ms: int = 0
    sample: str = ""

    @property
    def ok(self) -> bool:
        return self.state not in ("failed", "retried")


@dataclass(frozen=True, slots=True)
class Evaluator:
    """claim_for: seconds; no run lives longer, so that a claim that ran out belongs to a dead one."""

    tasks: Webevals
    http: HttpClient
    clock: Clock
    claim_for: int

    def execute(self, site: Site, waiting: Task) -> End:
        task = self.tasks.claim(waiting, self.clock.now() + timedelta(seconds=self.claim_for))
        if task is None:
            return End(waiting, "taken")
        if task.attempt > RETRY.attempts:
            return self._failed(task, f"all {RETRY.attempts} runs that began it died")
        try:
            answer = self.http.call(
                "POST", site.at(ENDPOINT), json={"task": task.id, "url": task.url}, key=task.key, internal=True
            )
        except HostBusy as busy:
            return self._put_off(task, busy.seconds)
        except NoResponse as error:
            return self._again(task, str(error))
        return self._settle(task, answer)

    def _settle(self, task: Task, answer: HttpResponse) -> End:
        if answer.status in BUSY and (answer.retry_after is not None or answer.status == 429):
            return self._put_off(task, PUT_OFF if answer.retry_after is None else answer.retry_after, answer)
        if answer.status >= 300:
            fault = f"answered {answer.status}"
            final = answer.status < 500 and answer.status not in WORTH_A_RETRY
            return self._failed(task, fault, answer) if final else self._again(task, fault, answer)
        try:
            result = _result(answer.text)
        except ValueError as error:
            return self._again(task, str(error), answer)
        kept = self.tasks.done(task, result, answer.status)
        return _end(task, "done", kept, "", answer, redaction.sample(result))

    def _put_off(self, task: Task, seconds: float, answer: HttpResponse | None = None) -> End:
        wait = min(max(seconds, 1), LONGEST_PUT_OFF)
        kept = self.tasks.defer(task, self.clock.now() + timedelta(seconds=wait))
        return _end(task, "put off", kept, f"for {wait:.0f} s, as the site asked", answer)

    def _again(self, task: Task, fault: str, answer: HttpResponse | None = None) -> End:
        delay = RETRY.delay(task.attempt)
        if delay is None:
            return self._failed(task, f"attempt {task.attempt} of {RETRY.attempts}: {fault}", answer)
        due = self.clock.now() + timedelta(seconds=delay)
        return _end(
            task, "retried", self.tasks.retry(task, fault, answer.status if answer else None, due), fault, answer
        )

    def _failed(self, task: Task, fault: str, answer: HttpResponse | None = None) -> End:
        return _end(task, "failed", self.tasks.failed(task, fault, answer.status if answer else None), fault, answer)


def _end(task: Task, state: str, kept: bool, note: str, answer: HttpResponse | None, sample: str = "") -> End:
    """kept: whether the task was still ours to settle."""
    status, ms = (answer.status, answer.ms) if answer else (None, 0)
    return End(task, state if kept else "taken", note, status, ms, sample)


def _result(text: str) -> str:
    """The result as compact JSON. Raises ValueError for what is no object, or too large for a row."""
    try:
        result = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("answered what is no JSON") from None
    if not isinstance(result, dict):
        raise ValueError(f"answered a JSON {type(result).__name__}, not an object")
    compact = json.dumps(result, separators=(",", ":"), ensure_ascii=False)
    if len(compact.encode()) > LARGEST_RESULT:
        raise ValueError(f"answered a result of more than {LARGEST_RESULT} bytes")
    return compact
