"""Disturbances of calls: slow, refused, lost, or the end of the process."""

from __future__ import annotations

from random import Random
from typing import Self

from proof.simulation.disturbance import Chance, Disturbance
from proof.simulation.fate import CallEnd, CallFate

SERVICES = ("dynamodb", "sqs", "s3", "lambda", "sns", "secretsmanager", "ssm", "outside")
# Services without which nothing can be recorded or sent are drawn more often.
DRAWN = ("dynamodb", "dynamodb", "dynamodb", "sqs", "sqs", "s3", "lambda", "outside")


class Latency(Disturbance):
    """Calls take longer, before or after they are performed."""

    kind = "latency"

    @classmethod
    def draw(cls, chance: Chance) -> Self:
        share, amount = round(chance.random.uniform(0.05, 1), 2), round(chance.random.uniform(0.05, 2), 2)
        return cls.at(chance, share, "", amount)

    def call(self, random: Random, job: str, name: str) -> CallFate | None:
        if random.random() >= self.share:
            return None
        seconds = random.uniform(0, self.amount)
        return CallFate(before=seconds) if random.random() < 0.5 else CallFate(after=seconds)


class Throttling(Disturbance):
    """A service refuses a share of the calls."""

    kind = "throttling"

    @classmethod
    def draw(cls, chance: Chance) -> Self:
        return cls.at(chance, round(chance.random.uniform(0.05, 0.6), 2), chance.random.choice(DRAWN[:-1]))

    def call(self, random: Random, job: str, name: str) -> CallFate | None:
        if not name.startswith(f"{self.subject}:") or random.random() >= self.share:
            return None
        return CallFate(CallEnd.THROTTLED)


class ServerErrors(Disturbance):
    """A service answers a share of the calls with 503."""

    kind = "server-errors"

    @classmethod
    def draw(cls, chance: Chance) -> Self:
        return cls.at(chance, round(chance.random.uniform(0.02, 0.3), 2), chance.random.choice(DRAWN[:-1]))

    def call(self, random: Random, job: str, name: str) -> CallFate | None:
        if not name.startswith(f"{self.subject}:") or random.random() >= self.share:
            return None
        return CallFate(CallEnd.UNAVAILABLE)


class Partition(Disturbance):
    """One service is not reached."""

    kind = "partition"

    @classmethod
    def draw(cls, chance: Chance) -> Self:
        return cls(chance.number, chance.begins, min(chance.hours, 1.0), 1.0, chance.random.choice(DRAWN))

    def call(self, random: Random, job: str, name: str) -> CallFate | None:
        return CallFate(CallEnd.UNREACHED, after=0.2) if name.startswith(f"{self.subject}:") else None


class LostReplies(Disturbance):
    """Calls are performed, and their responses are lost."""

    kind = "lost-replies"

    @classmethod
    def draw(cls, chance: Chance) -> Self:
        return cls.at(chance, round(chance.random.uniform(0.01, 0.3), 3), chance.random.choice(DRAWN))

    def call(self, random: Random, job: str, name: str) -> CallFate | None:
        if not name.startswith(f"{self.subject}:") or random.random() >= self.share:
            return None
        return CallFate(CallEnd.REPLY_LOST)


class Kills(Disturbance):
    """Processes end before or after a call.

    Lambda's record of some of them is lost too.
    """

    kind = "kills"
    SILENT = 0.1

    @classmethod
    def draw(cls, chance: Chance) -> Self:
        return cls.at(chance, round(chance.random.uniform(0.002, 0.05), 4))

    def call(self, random: Random, job: str, name: str) -> CallFate | None:
        if random.random() >= self.share:
            return None
        end = CallEnd.ENDS_BEFORE if random.random() < 0.5 else CallEnd.ENDS_AFTER
        return CallFate(end, silent=random.random() < self.SILENT)


class Timeouts(Disturbance):
    """A call takes longer than its process may run."""

    kind = "timeouts"
    LONG = 1000.0

    @classmethod
    def draw(cls, chance: Chance) -> Self:
        return cls.at(chance, round(chance.random.uniform(0.001, 0.02), 4))

    def call(self, random: Random, job: str, name: str) -> CallFate | None:
        if random.random() >= self.share:
            return None
        return CallFate(before=self.LONG) if random.random() < 0.5 else CallFate(after=self.LONG)


class Freezes(Disturbance):
    """A process is stopped in a call, and continued after its lease."""

    kind = "freezes"

    @classmethod
    def draw(cls, chance: Chance) -> Self:
        return cls.at(chance, round(chance.random.uniform(0.001, 0.02), 4), "", round(chance.random.uniform(30, 2000)))

    def call(self, random: Random, job: str, name: str) -> CallFate | None:
        if random.random() >= self.share:
            return None
        seconds = random.uniform(1, self.amount)
        if random.random() < 0.5:
            return CallFate(before=seconds, frozen=True)
        return CallFate(after=seconds, frozen=True)


CALLS: tuple[type[Disturbance], ...] = (
    Latency,
    Throttling,
    ServerErrors,
    Partition,
    LostReplies,
    Kills,
    Timeouts,
    Freezes,
)
