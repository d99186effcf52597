"""Alarms of the platform.

Failures of one job are alerted on by job-monitoring, by streaks.
"""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from infra.deployment import Deployment
from infra.queues import FOREIGN, Queue
from infra.state import ALERTS
from shared.advised_commands import advised
from shared.aws.names import DEAD, FIRINGS
from shared.job.definition import Job
from shared.observability.log import NAMESPACE

FIVE_MINUTES = 300
# A firing may wait 15 minutes by design.
OLDEST_FIRING = 2 * 900
OLDEST_DEAD_LETTER = 900


class Alarms:
    """Alarms that notify the topic `alerts` at begin and end.

    A stage may have none.
    """

    def __init__(self, scope: Construct, deployment: Deployment) -> None:
        self.scope = scope
        self.names = deployment.names
        self.enabled = deployment.alarms
        self.topics = [self.names.topic_arn(ALERTS)]

    def of_queues(self, queues: Mapping[str, Queue]) -> None:
        advice = "look at the function that consumes them"
        for name, longest in ((FIRINGS, OLDEST_FIRING), (DEAD, OLDEST_DEAD_LETTER)):
            if name in queues:
                self._queue(
                    name,
                    "waiting",
                    "ApproximateAgeOfOldestMessage",
                    longest,
                    f"Messages in {name} are older than {longest} s: {advice}",
                )
        for queue in queues.values():
            # queue-health reports collected queues, and each dead letter in them is alerted on.
            if queue.consumer is None and not queue.collected and queue.name not in FOREIGN:
                self._queue(
                    queue.name,
                    "not-empty",
                    "ApproximateNumberOfMessagesVisible",
                    1,
                    f"Nothing consumes {queue.name}: its messages failed everywhere before it.",
                )

    def of_runs(self) -> None:
        three = f"in each of the last three 5 minutes: {advised(self.names.stage, 'status')}"
        why = advised(self.names.stage, "why", "JOB")
        for metric, periods, meaning in (
            ("Failed", 3, f"Runs failed {three}"),
            ("Lost", 3, f"Runs were interrupted and lost {three}"),
            # A job that fires once a day misses once a day: that must be enough.
            ("Missed", 1, f"Ticks left no trace; the reconciler's log names their jobs: {why}"),
        ):
            of = {"stage": self.names.stage}
            self._alarm(f"runs-{metric.lower()}", NAMESPACE, metric, of, 1, meaning, statistic="Sum", periods=periods)

    def of_errors(self, function: str) -> None:
        meaning = f"{function} ended with an error, which its callers see as status 502."
        self._alarm(
            f"{function.removeprefix(self.names.of(''))}-errors",
            "AWS/Lambda",
            "Errors",
            {"FunctionName": function},
            1,
            meaning,
            statistic="Sum",
        )

    def of_silence(self, job: Job, seconds: int) -> None:
        """Alarm when nothing has invoked the job's function for `seconds`."""
        if not self.enabled:
            return
        why = advised(self.names.stage, "why", job.name)
        cloudwatch.CfnAlarm(
            self.scope,
            "Silent",
            alarm_name=self.names.of(f"{job.name}-silent"),
            alarm_description=f"{job.name} has not been started for {seconds} s: {why}",
            namespace="AWS/Lambda",
            metric_name="Invocations",
            dimensions=_dimensions({"FunctionName": self.names.function(job.name)}),
            statistic="Sum",
            period=seconds,
            evaluation_periods=1,
            threshold=1,
            comparison_operator="LessThanThreshold",
            treat_missing_data="breaching",
            alarm_actions=self.topics,
            ok_actions=self.topics,
        )

    def _queue(self, name: str, suffix: str, metric: str, threshold: int, meaning: str) -> None:
        dimensions = {"QueueName": self.names.queue(name)}
        self._alarm(f"{name.replace(':', '-')}-{suffix}", "AWS/SQS", metric, dimensions, threshold, meaning)

    def _alarm(
        self,
        name: str,
        namespace: str,
        metric: str,
        dimensions: Mapping[str, str],
        threshold: int,
        meaning: str,
        statistic: str = "Maximum",
        periods: int = 1,
    ) -> None:
        if not self.enabled:
            return
        cloudwatch.CfnAlarm(
            self.scope,
            f"Alarm-{name}",
            alarm_name=self.names.of(name),
            alarm_description=meaning,
            namespace=namespace,
            metric_name=metric,
            dimensions=_dimensions(dimensions),
            statistic=statistic,
            period=FIVE_MINUTES,
            evaluation_periods=periods,
            threshold=threshold,
            comparison_operator="GreaterThanOrEqualToThreshold",
            treat_missing_data="notBreaching",
            alarm_actions=self.topics,
            ok_actions=self.topics,
        )


def _dimensions(values: Mapping[str, str]) -> list[cloudwatch.CfnAlarm.DimensionProperty] | None:
    return [cloudwatch.CfnAlarm.DimensionProperty(name=name, value=value) for name, value in values.items()] or None
