"""List prices in us-east-1, US dollars, without free tiers.

Sources: the pricing pages of the services, https://aws.amazon.com/<service>/pricing/, as known in November 2026:
lambda (arm64, first tier), sqs (standard queues, first tier), dynamodb (on demand, since 2024-11), cloudwatch,
secrets-manager, eventbridge, kms. They change rarely; decisions need their order of magnitude only.
"""

from __future__ import annotations

MILLION = 1_000_000

LAMBDA_REQUEST = 0.20 / MILLION
LAMBDA_GB_SECOND = {"arm64": 0.0000133334, "x86_64": 0.0000166667}
# The price of Scheduler. Rules cost nothing for scheduled events; counted the same, as an upper bound.
TICK = 1.00 / MILLION
SQS_REQUEST = 0.40 / MILLION
WRITE_UNIT = 0.625 / MILLION
ALARM_METRIC_MONTH = 0.10
DASHBOARD_MONTH = 3.00
SECRET_MONTH = 0.40
KEY_MONTH = 1.00
LOG_GB = 0.50
