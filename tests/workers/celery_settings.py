"""What Celery is told in tests: CELERY_CONFIG_MODULE names this module."""

from __future__ import annotations

# Seconds until a process that is gone counts as lost; 10 where nothing is said.
worker_lost_wait = 1.0
