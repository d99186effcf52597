"""Celery's configuration where the broker is SQS: CELERY_CONFIG_MODULE names this module."""

from __future__ import annotations

import os

broker_url = "sqs://"
broker_transport_options = {
    "region": "us-east-1",
    "visibility_timeout": 3600,
    "wait_time_seconds": 1,
    "predefined_queues": {"nightshift": {"url": os.environ["CELERY_QUEUE"]}},
}
worker_enable_remote_control = False
# Seconds until a process that is gone counts as lost; 10 where nothing is said.
worker_lost_wait = 1.0
