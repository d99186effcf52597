"""The retry policy of each kind of work (PF-16)."""

from __future__ import annotations

from shared.job.retry import NO_RETRY, explicit, exponential, fixed, linear

DEFAULT = exponential(first=2, retries=3)
EMAIL = exponential(first=5, retries=2)
EXTERNAL_API = exponential(first=2, retries=2)
DATABASE = fixed(delay=1, retries=1)
LLM = exponential(first=10, retries=2)
WEBHOOK = exponential(first=30, retries=4)
AUDIT = USAGE = exponential(first=1, retries=5)
NOTIFICATIONS = linear(step=5, retries=3)
AUTO_ACTIONS = exponential(first=1, retries=3)
MAINTENANCE = NO_RETRY
PLUGIN = exponential(first=2, retries=2)
# Per item: stored as `next_attempt_at` and swept every minute, not delayed in a queue.
FORWARDING_ITEM = explicit(1 * 3600, 6 * 3600, 24 * 3600, 48 * 3600)
WEBHOOK_ITEM = explicit(60, 5 * 60, 30 * 60, 2 * 3600)
