"""List prices in us-east-1, US dollars, without free tiers.

Sources: the pricing pages of the services, https://aws.amazon.com/<service>/pricing/, as known in November 2026:
lambda (arm64, first tier), sqs (standard queues, first tier), dynamodb (on demand, since 2024-11), s3, cloudwatch,
secrets-manager, eventbridge, kms. They change rarely; decisions need their order of magnitude only.
"""

from __future__ import annotations

from datetime import date

#: The day on which the prices were compared with those pages. Compare them again after MOST_DAYS.
AS_OF = date(2026, 11, 28)
MOST_DAYS = 365
MILLION = 1_000_000

LAMBDA_REQUEST = 0.20 / MILLION
LAMBDA_GB_SECOND = {"arm64": 0.0000133334, "x86_64": 0.0000166667}
# EventBridge charges nothing for the scheduled events of rules.
RULE_TICK = 0.0
SCHEDULE_TICK = 1.00 / MILLION
SQS_REQUEST = 0.40 / MILLION
WRITE_UNIT = 0.625 / MILLION
READ_UNIT = 0.125 / MILLION
S3_PUT = 5.00 / MILLION
ALARM_METRIC_MONTH = 0.10
# A dashboard of more metrics than FREE_METRICS.
DASHBOARD_MONTH = 3.00
FREE_METRICS = 50
SECRET_MONTH = 0.40
KEY_MONTH = 1.00
LOG_GB = 0.50
