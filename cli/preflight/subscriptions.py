"""Subscriptions of the topic `alerts`: none, or unconfirmed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cli.preflight.change import Change
from infra.finding import Finding, warning
from infra.template import resources
from shared.aws.names import LOCAL, TOPIC

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

CHECK = "subscription"


def check(change: Change, cloud: Cloud) -> Iterator[Finding]:
    if change.stage == LOCAL:
        return
    topic = cloud.names.topic_arn(TOPIC)
    try:
        found = [
            each
            for page in cloud.sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
            for each in page["Subscriptions"]
        ]
    except cloud.sns.exceptions.NotFoundException:
        found = []
    for each in found:
        if each["SubscriptionArn"] == "PendingConfirmation":
            yield warning(
                CHECK,
                TOPIC,
                f"the subscription of {each['Protocol']} {each['Endpoint']} is not confirmed: it gets no alert",
                "open the link in the mail of AWS; after three days, subscribe again",
            )
    if not found and not any(resources(change.after, "AWS::SNS::Subscription")):
        yield warning(
            CHECK,
            TOPIC,
            "nobody is subscribed to alerts",
            f"set NIGHTSHIFT_ALERTS_EMAIL in stages/{change.stage}.toml, and confirm the mail of AWS",
        )
