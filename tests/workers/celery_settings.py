"""Settings of Celery in tests: CELERY_CONFIG_MODULE names this module."""

from __future__ import annotations

# Seconds until a process that has ended counts as lost (default: 10).
worker_lost_wait = 1.0
