"""Takes firings from a queue and has child processes run them, for as long as it is let."""

from __future__ import annotations

import json
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
from workers import delivery
from workers.child import Child, Perform, Raised
from workers.delivery import Held

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageTypeDef

    from shared.aws.cloud import Cloud

# Seconds that SQS waits for a message while nothing else is to be done, and while something is.
IDLE, BUSY = 20, 1
# Seconds for which a message is hidden from other workers, again and again while its run lasts.
HIDDEN = 60
EXTENDED = 20
LONGEST_HIDDEN = 43_200
LONGEST_PAUSE = 30
AWAY = (BotoCoreError, ClientError)


class _Stopped(BaseException):
    """Raised out of a wait for messages that nothing else waits for."""


@dataclass(slots=True)
class Assignment:
    """One message, the child that runs it, and when that is killed and when the message must be hidden anew."""

    receipt: str
    request: str
    body: Any
    job: Job
    firing: Firing
    child: Child
    ends: float
    extend: float


class Worker:
    """One thread; what it waits for is either messages or its children.

    perform(body, request, first): a delivery, as the child makes it. told: is given the report of each run. say: a
    line for a person. grace: seconds that runs are given to end once it was told to stop.
    """

    def __init__(
        self,
        cloud: Cloud,
        log: Log,
        queue: str,
        perform: Perform,
        concurrency: int,
        grace: float,
        told: Callable[[RunReport], None],
        say: Callable[[str], None],
    ) -> None:
        self.cloud, self.log, self.perform = cloud, log, perform
        self.concurrency, self.grace, self.told, self.say = concurrency, grace, told, say
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
        """Until it is stopped; or, `once`, until nothing is left to take. How many runs failed or were lost."""
        try:
            self._serve(once)
            while self.busy and time.monotonic() < (self.until or 0):
                self._tend(BUSY)
            for left in list(self.busy):
                self._hand_back(left)
        finally:
            for child in [*self.idle, *(left.child for left in self.busy)]:
                child.dismiss()
            self.sqs.close()
        return self.bad

    def _serve(self, once: bool) -> None:
        with suppress(_Stopped):
            while self.until is None:
                took = self._take(BUSY if once or self.busy else IDLE)
                if once and not (took or self.busy or self.silent):
                    break
                self._tend(BUSY if len(self.busy) == self.concurrency or self.silent else 0)

    def stop(self) -> None:
        """Take nothing more. Runs have their grace to end; asked a second time, none. From a signal handler."""
        self.until = time.monotonic() + (self.grace if self.until is None else 0)
        if self.waiting:
            raise _Stopped

    def _take(self, seconds: int) -> bool:
        """Whether there was something. An answer that is lost on the way is delivered again when it is unhidden."""
        free = self.concurrency - len(self.busy)
        if not free or time.monotonic() < self.again:
            return False
        try:
            self.waiting = not self.busy
            if self.until is not None:
                # Told to stop just before it could be told to stop waiting.
                return False
            answer = self.sqs.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=min(free, 10),
                WaitTimeSeconds=seconds,
                VisibilityTimeout=HIDDEN,
                MessageSystemAttributeNames=["ApproximateReceiveCount"],
            )
        except AWAY as error:
            self._hiccup(error)
            return False
        finally:
            self.waiting = False
        if self.silent:
            self.say("the queue answers again")
        self.silent = 0
        messages = answer.get("Messages", [])
        for message in messages:
            try:
                self._assign(message)
            except AWAY as error:
                self.say(f"a message that nobody can run could not be put away: {error}")
        return bool(messages)

    def _hiccup(self, error: Exception) -> None:
        if not self.silent and "NonExistentQueue" in str(getattr(error, "response", "")):
            raise error
        if not self.silent:
            self.say(f"the queue does not answer, trying again until it does: {error}")
        self.silent += 1
        self.again = time.monotonic() + min(2**self.silent, LONGEST_PAUSE)

    def _assign(self, message: MessageTypeDef) -> None:
        try:
            body = json.loads(message["Body"])
        except ValueError:
            body = message["Body"]
        receipt, request = message["ReceiptHandle"], message["MessageId"]
        asked = delivery.read(self.cloud, body)
        if asked is None:
            self._acknowledge(receipt)
            return
        self.idle = [child for child in self.idle if child.process.is_alive()]
        child = self.idle.pop() if self.idle else Child(self.perform, os.environ)
        first = message["Attributes"]["ApproximateReceiveCount"] == "1"
        now = time.monotonic()
        job, firing = asked
        self.busy.append(Assignment(receipt, request, body, job, firing, child, now + job.timeout, now + EXTENDED))
        child.give(body, request, first)

    def _tend(self, seconds: float) -> None:
        """See to the children: what they answered, who is gone, who must go, whose message must stay hidden."""
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
                self._died(one, f"killed at its timeout of {one.job.timeout} s")
            elif now >= one.extend:
                one.extend = now + EXTENDED
                self._hide(one, HIDDEN)

    def _ended(self, one: Assignment) -> None:
        answered = one.child.answer()
        if answered is None:
            note = one.child.epitaph()
            one.child.kill()
            self._died(one, note)
            return
        result, stays = answered
        if stays:
            self.idle.append(one.child)
        else:
            one.child.dismiss()
        if isinstance(result, Raised):
            self._died(one, result.error)
            return
        self.busy.remove(one)
        if isinstance(result, Held):
            self._hide(one, min(result.seconds, LONGEST_HIDDEN))
            return
        if isinstance(result, RunReport):
            self.bad += result.outcome in ("failed", "lost")
            self.told(result)
        self._acknowledge(one.receipt)

    def _died(self, one: Assignment, note: str) -> None:
        self.bad += 1
        self.say(f"{one.job.name} {one.firing.position}: {note}")
        self._settle(one, note, delivery.died)

    def _hand_back(self, one: Assignment) -> None:
        one.child.kill()
        self.say(f"{one.job.name} {one.firing.position}: handed back, its worker stops")
        self._settle(one, "ended with its worker, which was stopped; handed to another", delivery.hand_back)

    def _settle(self, one: Assignment, note: str, settle: Callable[..., None]) -> None:
        self.busy.remove(one)
        try:
            settle(one.body, one.request, note, self.cloud, self.log)
        except AWAY as error:
            # Its message comes back, and with it the question what became of the run.
            self.say(f"{one.job.name} {one.firing.position}: its end could not be written yet: {error}")
            return
        self._acknowledge(one.receipt)

    def _acknowledge(self, receipt: str) -> None:
        try:
            self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=receipt)
        except AWAY as error:
            # It is delivered again, and recognised.
            self.say(f"a message could not be acknowledged: {error}")

    def _hide(self, one: Assignment, seconds: int) -> None:
        try:
            self.sqs.change_message_visibility(QueueUrl=self.url, ReceiptHandle=one.receipt, VisibilityTimeout=seconds)
        except AWAY as error:
            # The lease keeps whoever is given it meanwhile out.
            self.say(f"{one.job.name}: its message could not be kept hidden: {error}")
