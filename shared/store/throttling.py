"""BatchGetItem with retries."""

from __future__ import annotations

# DynamoDB's limit for one BatchGetItem.
KEYS_AT_ONCE = 100
TRIES = 6


class Throttled(Exception):
    """The store gave no answer for some of what was asked, time and again."""
