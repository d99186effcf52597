"""Dashboard of all jobs.

Its graphs search by name: a new job appears without a change here.
"""

from __future__ import annotations

from typing import Any

from aws_cdk import Aws, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from shared.aws.names import Names
from shared.observability.log import NAMESPACE

WIDTH, HEIGHT = 12, 6
FIVE_MINUTES = 300


class Dashboard(cloudwatch.CfnDashboard):
    def __init__(self, scope: Construct, names: Names) -> None:
        prefix = names.of("")
        graphs = [
            ("Runs that failed", _by_job(names, "Failed"), "Sum"),
            ("Runs that were lost", _by_job(names, "Lost"), "Sum"),
            ("Ticks that were missed", _by_job(names, "Missed"), "Sum"),
            ("Dead letters", _by_job(names, "DeadLetters"), "Sum"),
            ("Unhealthy sites and checks", _by_job(names, "Unhealthy"), "Sum"),
            ("Functions started", _search("AWS/Lambda", "FunctionName", prefix, "Invocations"), "Sum"),
            ("Functions' errors", _search("AWS/Lambda", "FunctionName", prefix, "Errors"), "Sum"),
            ("Functions throttled", _search("AWS/Lambda", "FunctionName", prefix, "Throttles"), "Sum"),
            ("Functions' time, 95 of 100, ms", _search("AWS/Lambda", "FunctionName", prefix, "Duration"), "p95"),
            (
                "Messages waiting",
                _search("AWS/SQS", "QueueName", prefix, "ApproximateNumberOfMessagesVisible"),
                "Maximum",
            ),
            (
                "Oldest message, s",
                _search("AWS/SQS", "QueueName", prefix, "ApproximateAgeOfOldestMessage"),
                "Maximum",
            ),
            ("Write units", _search("AWS/DynamoDB", "TableName", prefix, "ConsumedWriteCapacityUnits"), "Sum"),
        ]
        widgets = [_graph(number, *graph) for number, graph in enumerate(graphs)]
        body = Stack.of(scope).to_json_string({"widgets": widgets})
        super().__init__(scope, "Dashboard", dashboard_name=names.of("overview"), dashboard_body=body)


def _by_job(names: Names, metric: str) -> str:
    return f'{{{NAMESPACE},job,stage}} MetricName="{metric}" stage="{names.stage}"'


def _search(namespace: str, dimension: str, prefix: str, metric: str) -> str:
    return f'{{{namespace},{dimension}}} MetricName="{metric}" {dimension}="{prefix}"'


def _graph(number: int, title: str, search: str, statistic: str) -> dict[str, Any]:
    return {
        "type": "metric",
        "x": WIDTH * (number % 2),
        "y": HEIGHT * (number // 2),
        "width": WIDTH,
        "height": HEIGHT,
        "properties": {
            "title": title,
            "region": Aws.REGION,
            "period": FIVE_MINUTES,
            "metrics": [[{"expression": f"SEARCH('{search}', '{statistic}', {FIVE_MINUTES})", "id": "all"}]],
        },
    }
