from __future__ import annotations

from shared.aws import attributes
from shared.job import RunContext, daily, days, natural, read_rows, tables
from shared.product.warned_purge import Notice, WarnedPurge
from shared.store.age_index import Row


class UnverifiedDestinationExpiry(WarnedPurge):
    """Remove destinations that nobody has verified in 30 days, telling their owner a week before; off until enabled."""

    schedule = daily(hour=2, minute=48)
    table = tables.DESTINATIONS
    keep = days(30)
    warn = days(7)
    costly = True
    idempotency = natural("a row once deleted is not found again, and its owner is told once by the notification's key")
    permissions = (read_rows(tables.ALIASES.name),)

    def spare(self, run: RunContext, row: Row) -> str:
        """An alias would be left without the place that it forwards to."""
        pages = run.cloud.dynamodb.get_paginator("query").paginate(
            TableName=run.cloud.names.table(tables.ALIASES.name),
            KeyConditionExpression="pk = :user",
            FilterExpression="destination = :destination",
            ProjectionExpression="sk",
            ExpressionAttributeValues=attributes.row({":user": row.pk, ":destination": row.sk}),
        )
        return "an alias forwards to it" if any(page["Items"] for page in pages) else ""

    def notice(self, row: Row) -> Notice:
        told = {"address": row.item["address"], "added_on": row.item["created_at"][:10]}
        return Notice("destination_removed_soon", "postmaster", told)
