"""Physical names of a deployment's resources.

No other module forms one: stacks refer to each other by name.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

TOPIC = "alerts"
# Partition of the state table with the alerts that a channel has not taken yet.
OWED = "owed#job-monitoring"
# Partition of the mutes of alerts.
MUTES = "mute#alerts"
# Secret with the token of the Function URLs.
TOKEN_SECRET = "internal-health-token"

STATE = "state"
FIRINGS = "firings"
DEAD = "firings-dlq"
# Queue of `python jobs.py worker`. No function is mapped to it, so an unused one costs nothing.
WORK = "work"
# Queue of Celery's workers (default broker); unmapped as well.
CELERY = "celery"
# Seconds. Longer than the delay of a retry and its run together: before that no other worker of Celery receives the
# task. Celery applies it only to queues that it creates, so the template sets it too.
CELERY_VISIBILITY = 3600
NO_TARGET = "-"
# Stacks besides those of the groups.
STATE_STACK, FRONT_STACK = STACKS = ("state", "front")

# Group whose stack is deployed before the others: its queues and functions are used by all.
PLATFORM_GROUP = "operations"
# Context key of the CDK app: a group whose stack is deployed before the others, because a job moves away from it.
FIRST = "first"

# Variable of a function with the version of its code: the first digits of its bundle's hash.
CODE_VERSION = "NIGHTSHIFT_CODE_VERSION"

# Variables with the bucket and the topic of alerts of an account that has its own.
BUCKET, ALERTS_TOPIC = "NIGHTSHIFT_BUCKET", "NIGHTSHIFT_ALERTS_TOPIC"

PRODUCTION = "prod"
# Stages that are production unless NIGHTSHIFT_PRODUCTION declares otherwise.
PRODUCTION_STAGES = (PRODUCTION, "production")
LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Names:
    """Names of one deployment.

    `account` and `region` may be CloudFormation tokens in a template.
    """

    stage: str
    account: str
    region: str
    partition: str = "aws"
    suffix: str = "amazonaws.com"
    declared_production: bool | None = None
    """Whether the stage is production, by NIGHTSHIFT_PRODUCTION; None: by its name."""
    given_bucket: str = ""
    """A bucket of the account, by NIGHTSHIFT_BUCKET; empty: that of the stage."""
    given_topic: str = ""
    """ARN of the account's topic for alerts, by NIGHTSHIFT_ALERTS_TOPIC; empty: that of the stage."""

    @classmethod
    def from_environment(cls) -> Names:
        return cls(
            stage=os.environ.get("NIGHTSHIFT_STAGE", PRODUCTION),
            account=os.environ.get("NIGHTSHIFT_ACCOUNT", "000000000000"),
            region=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION", "us-east-1"),
            partition=os.environ.get("NIGHTSHIFT_PARTITION", "aws"),
            suffix=os.environ.get("NIGHTSHIFT_URL_SUFFIX", "amazonaws.com"),
            declared_production=declared_production(os.environ),
            given_bucket=os.environ.get(BUCKET, ""),
            given_topic=os.environ.get(ALERTS_TOPIC, ""),
        )

    @property
    def production(self) -> bool:
        """Whether it is production, as declared or by its stage."""
        return self.stage in PRODUCTION_STAGES if self.declared_production is None else self.declared_production

    def of(self, thing: str) -> str:
        """Physical name: `firings` -> `nightshift-prod-firings`.

        A colon of a queue's logical name is replaced by a hyphen.
        """
        return f"nightshift-{self.stage}-{thing.replace(':', '-')}"

    def stack(self, name: str) -> str:
        return self.of(name)

    def function(self, job: str) -> str:
        return self.of(job)

    def tick(self, job: str, number: int) -> str:
        """Rule or schedule of a job, counted from 1."""
        return self.of(job) + (f"-{number}" if number > 1 else "")

    def table(self, name: str) -> str:
        return self.of(name)

    def queue(self, name: str) -> str:
        return self.of(name)

    def topic(self, name: str) -> str:
        return self.of(name)

    @property
    def bucket(self) -> str:
        """Name of the artifacts bucket.

        It contains account and region, since bucket names are global.
        """
        return self.given_bucket or f"nightshift-{self.stage}-artifacts-{self.account}-{self.region}"

    def secret(self, name: str) -> str:
        return f"nightshift/{self.stage}/{name}"

    def key(self, name: str) -> str:
        """Alias of a KMS key."""
        return f"alias/{self.of(name)}"

    def queue_url(self, name: str) -> str:
        return f"https://sqs.{self.region}.{self.suffix}/{self.account}/{self.queue(name)}"

    def arn(self, service: str, resource: str) -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"

    def key_arn(self, name: str) -> str:
        return self.arn("kms", self.key(name))

    def topic_arn(self, name: str) -> str:
        if name == TOPIC and self.given_topic:
            return self.given_topic
        return self.arn("sns", self.topic(name))


def declared_production(environment: Mapping[str, str]) -> bool | None:
    """Read NIGHTSHIFT_PRODUCTION; None if it is not set. Raises ValueError."""
    text = environment.get("NIGHTSHIFT_PRODUCTION", "").strip().lower()
    if text not in ("", "true", "false"):
        raise ValueError(f"NIGHTSHIFT_PRODUCTION={text!r}: must be true or false")
    return text == "true" if text else None
