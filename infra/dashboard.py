"""Dashboard of all jobs.

Metrics of AWS are listed by the exact names of functions, queues and tables: SEARCH matches a quoted value as a whole,
and an unquoted one by words, which those of another stage may have too.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/search-expression-syntax.html
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aws_cdk import Aws, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from infra import queues
from infra.deployment import Deployment
from shared.observability.log import NAMESPACE
from shared.tables import TABLES

WIDTH, HEIGHT = 12, 6
FIVE_MINUTES = 300
# Maximum of CloudWatch for one graph.
MAX_METRICS = 500


class Dashboard(cloudwatch.CfnDashboard):
    """Graphs of runs, functions, queues and tables.

    endpoints: names of the functions behind URLs.
    """

    def __init__(self, scope: Construct, deployment: Deployment, endpoints: Iterable[str]) -> None:
        names = deployment.names
        functions = sorted(map(names.function, (*deployment.jobs, *endpoints)))
        waiting = sorted(map(names.queue, queues.plan(deployment.jobs)))
        tables = sorted(names.table(table.name) for table in TABLES)
        visible, oldest = "ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"
        graphs = [
            ("Runs that failed", _by_job(names.stage, "Failed"), "Sum"),
            ("Runs that were lost", _by_job(names.stage, "Lost"), "Sum"),
            ("Ticks that were missed", _by_job(names.stage, "Missed"), "Sum"),
            ("Dead letters", _by_job(names.stage, "DeadLetters"), "Sum"),
            ("Unhealthy sites and checks", _by_job(names.stage, "Unhealthy"), "Sum"),
            ("Functions started", _listed("AWS/Lambda", "Invocations", "FunctionName", functions), "Sum"),
            ("Functions' errors", _listed("AWS/Lambda", "Errors", "FunctionName", functions), "Sum"),
            ("Functions throttled", _listed("AWS/Lambda", "Throttles", "FunctionName", functions), "Sum"),
            ("Functions' time, 95 of 100, ms", _listed("AWS/Lambda", "Duration", "FunctionName", functions), "p95"),
            (
                "Messages waiting",
                _listed("AWS/SQS", visible, "QueueName", waiting),
                "Maximum",
            ),
            ("Oldest message, s", _listed("AWS/SQS", oldest, "QueueName", waiting), "Maximum"),
            ("Write units", _listed("AWS/DynamoDB", "ConsumedWriteCapacityUnits", "TableName", tables), "Sum"),
        ]
        region = Aws.REGION
        widgets = [_graph(number, region, *graph) for number, graph in enumerate(graphs)]
        body = Stack.of(scope).to_json_string({"widgets": widgets})
        super().__init__(scope, "Dashboard", dashboard_name=names.of("overview"), dashboard_body=body)


def _by_job(stage: str, metric: str) -> list[Any]:
    """One expression for all jobs that had the metric within two weeks."""
    search = f'{{{NAMESPACE},job,stage}} MetricName="{metric}" stage="{stage}"'
    return [[{"expression": f"SEARCH('{search}', 'Sum', {FIVE_MINUTES})", "id": "all"}]]


def _listed(namespace: str, metric: str, dimension: str, values: list[str]) -> list[Any]:
    if len(values) > MAX_METRICS:
        raise ValueError(f"a graph of {metric} would have {len(values)} metrics; CloudWatch allows {MAX_METRICS}")
    return [[namespace, metric, dimension, value] for value in values]


def _graph(number: int, region: str, title: str, metrics: list[Any], statistic: str) -> dict[str, Any]:
    return {
        "type": "metric",
        "x": WIDTH * (number % 2),
        "y": HEIGHT * (number // 2),
        "width": WIDTH,
        "height": HEIGHT,
        "properties": {
            "title": title,
            "region": region,
            "period": FIVE_MINUTES,
            "stat": statistic,
            "metrics": metrics,
        },
    }
