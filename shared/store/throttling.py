"""Error of a batch that DynamoDB keeps throttling; BatchGetItem's limits."""

from __future__ import annotations

# DynamoDB's limit for one BatchGetItem.
KEYS_AT_ONCE = 100
TRIES = 6


class Throttled(Exception):
    """DynamoDB left part of a batch unprocessed in every try."""
