"""A worker that runs firings of a queue in child processes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from shared.job.definition import Job
from shared.observability.log import Log
from shared.run.firing import Firing
from shared.run.report import RunReport
from shared.text.untrusted_json import InvalidJson, parse_json
from workers import delivery
from workers.child import Child, Perform, Raised
from workers.delivery import InProgress

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageTypeDef

    from shared.aws.cloud import Cloud

# Seconds of the long poll of SQS: without a run in progress, and with one.
IDLE, BUSY = 20, 1
# Seconds for which a message is invisible to other workers, and between two extensions while its run lasts.
VISIBILITY_TIMEOUT = 60
EXTENSION_INTERVAL = 20
# Seconds; the limit of SQS.
MAX_VISIBILITY = 43_200
# Seconds between two tries while the queue does not answer.
MAX_BACKOFF = 30
UNREACHABLE = (BotoCoreError, ClientError)


class _Stopped(BaseException):
    """Raised by a signal handler to end the long poll.

    Only while no run is in progress.
    """


@dataclass(slots=True)
class Assignment:
    """One message and the child process that runs it."""

    #: Receipt handle of the message.
    receipt: str
    #: Id of the message.
    request: str
    #: Body of the message.
    body: Any
    job: Job
    firing: Firing
    child: Child
    #: Monotonic time at which the child is killed.
    ends: float
    #: Monotonic time at which the message's invisibility is extended.
    extend: float


class Worker:
    """Receives messages and watches its child processes, in one thread."""

    def __init__(
        self,
        cloud: Cloud,
        log: Log,
        queue: str,
        perform: Perform,
        concurrency: int,
        grace: float,
        on_report: Callable[[RunReport], None],
        notice: Callable[[str], None],
    ) -> None:
        """Create a worker for the queue with this logical name.

        perform(body, request, first): called in the child for each delivery. grace: seconds for runs to end after a
        stop. on_report: called with the report of each run. notice: called with lines for people.
        """
        self.cloud, self.log, self.perform = cloud, log, perform
        self.concurrency, self.grace, self.on_report, self.notice = concurrency, grace, on_report, notice
        self.url = cloud.names.queue_url(queue)
        waits = Config(connect_timeout=3, read_timeout=IDLE + 10, retries={"mode": "standard", "total_max_attempts": 2})
        self.sqs: Any = cloud.session.client("sqs", region_name=cloud.names.region, config=waits)
        self.idle: list[Child] = []
        self.busy: list[Assignment] = []
        self.bad = 0
        self.until: float | None = None
        self.waiting = False
        self.silent = 0
        self.again = 0.0

    def work(self, once: bool = False) -> int:
        """Run until stopped, or with `once` until the queue is empty.

        Return the number of failed or lost runs.
        """
        try:
            self._serve(once)
            while self.busy and time.monotonic() < (self.until or 0):
                self._watch(BUSY)
            for left in list(self.busy):
                self._return(left)
        finally:
            for child in [*self.idle, *(left.child for left in self.busy)]:
                child.close()
            self.sqs.close()
        return self.bad

    def _serve(self, once: bool) -> None:
        with suppress(_Stopped):
            while self.until is None:
                received = self._receive(BUSY if once or self.busy else IDLE)
                if once and not (received or self.busy or self.silent):
                    break
                self._watch(BUSY if len(self.busy) == self.concurrency or self.silent else 0)

    def stop(self) -> None:
        """Stop receiving. Called from signal handlers.

        Runs have their grace to end, and none after a second call.
        """
        self.until = time.monotonic() + (self.grace if self.until is None else 0)
        if self.waiting:
            raise _Stopped

    def _receive(self, seconds: int) -> bool:
        """Receive and assign messages; False where there were none.

        Messages whose response is lost are delivered again after their visibility timeout.
        """
        free = self.concurrency - len(self.busy)
        if not free or time.monotonic() < self.again:
            return False
        try:
            self.waiting = not self.busy
            if self.until is not None:
                # Stopped just before `waiting` was set.
                return False
            answer = self.sqs.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=min(free, 10),
                WaitTimeSeconds=seconds,
                VisibilityTimeout=VISIBILITY_TIMEOUT,
                MessageSystemAttributeNames=["ApproximateReceiveCount"],
            )
        except UNREACHABLE as error:
            self._back_off(error)
            return False
        finally:
            self.waiting = False
        if self.silent:
            self.notice("the queue answers again")
        self.silent = 0
        messages = answer.get("Messages", [])
        for message in messages:
            try:
                self._assign(message)
            except UNREACHABLE as error:
                self.notice(f"an invalid message could not be dead-lettered: {error}")
        return bool(messages)

    def _back_off(self, error: Exception) -> None:
        if not self.silent and "NonExistentQueue" in str(getattr(error, "response", "")):
            raise error
        if not self.silent:
            self.notice(f"the queue does not answer, retrying until it does: {error}")
        self.silent += 1
        self.again = time.monotonic() + min(2**self.silent, MAX_BACKOFF)

    def _assign(self, message: MessageTypeDef) -> None:
        try:
            body = parse_json(message["Body"])
        except InvalidJson:
            body = message["Body"]
        receipt, request = message["ReceiptHandle"], message["MessageId"]
        job_and_firing = delivery.read(self.cloud, body)
        if job_and_firing is None:
            self._acknowledge(receipt)
            return
        self.idle = [child for child in self.idle if child.process.is_alive()]
        child = self.idle.pop() if self.idle else Child(self.perform, os.environ)
        first = message["Attributes"]["ApproximateReceiveCount"] == "1"
        now = time.monotonic()
        job, firing = job_and_firing
        self.busy.append(
            Assignment(receipt, request, body, job, firing, child, now + job.timeout, now + EXTENSION_INTERVAL)
        )
        child.call(body, request, first)

    def _watch(self, seconds: float) -> None:
        """Handle results, ends and timeouts of child processes.

        And extend the invisibility of their messages.
        """
        handles = [handle for one in self.busy for handle in one.child.handles]
        if not handles:
            time.sleep(seconds)
        ready = wait(handles, seconds) if handles else []
        now = time.monotonic()
        for one in list(self.busy):
            if any(handle in ready for handle in one.child.handles):
                self._ended(one)
            elif now >= one.ends:
                one.child.kill()
                self._lost(one, f"killed at its timeout of {one.job.timeout} s")
            elif now >= one.extend:
                one.extend = now + EXTENSION_INTERVAL
                self._hide(one, VISIBILITY_TIMEOUT)

    def _ended(self, one: Assignment) -> None:
        returned = one.child.result()
        if returned is None:
            note = one.child.exit_reason()
            one.child.kill()
            self._lost(one, note)
            return
        result, continues = returned
        if continues:
            self.idle.append(one.child)
        else:
            one.child.close()
        if isinstance(result, Raised):
            self._lost(one, result.error)
            return
        self.busy.remove(one)
        if isinstance(result, InProgress):
            self._hide(one, min(result.seconds, MAX_VISIBILITY))
            return
        if isinstance(result, RunReport):
            self.bad += result.outcome in ("failed", "lost")
            self.on_report(result)
        self._acknowledge(one.receipt)

    def _lost(self, one: Assignment, note: str) -> None:
        self.bad += 1
        self.notice(f"{one.job.name} {one.firing.position}: {note}")
        self._record_end(one, note, delivery.interrupted)

    def _return(self, one: Assignment) -> None:
        one.child.kill()
        self.notice(f"{one.job.name} {one.firing.position}: returned to the queue, its worker stops")
        self._record_end(one, delivery.RETURNED, delivery.return_to_queue)

    def _record_end(self, one: Assignment, note: str, record: Callable[..., None]) -> None:
        self.busy.remove(one)
        try:
            record(one.body, one.request, note, self.cloud, self.log)
        except UNREACHABLE as error:
            # Its message is delivered again, and the end recorded then.
            self.notice(f"{one.job.name} {one.firing.position}: its end could not be recorded yet: {error}")
            return
        self._acknowledge(one.receipt)

    def _acknowledge(self, receipt: str) -> None:
        try:
            self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=receipt)
        except UNREACHABLE as error:
            # The message is delivered again and recognised as a duplicate.
            self.notice(f"a message could not be acknowledged: {error}")

    def _hide(self, one: Assignment, seconds: int) -> None:
        try:
            self.sqs.change_message_visibility(QueueUrl=self.url, ReceiptHandle=one.receipt, VisibilityTimeout=seconds)
        except UNREACHABLE as error:
            # The lease keeps another worker out that receives it.
            self.notice(f"{one.job.name}: its message could not be kept invisible: {error}")
