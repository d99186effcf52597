"""Stores and functions that the new templates no longer contain."""

from __future__ import annotations

from collections.abc import Iterator

from cli.preflight.change import Change
from infra.finding import Finding, refused, warning

CHECK = "removal"
DATA = ("AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::SecretsManager::Secret")


def check(change: Change) -> Iterator[Finding]:
    for kind in DATA:
        for named in change.gone(kind):
            if not named.retained:
                yield refused(
                    CHECK,
                    named.where,
                    f"the {kind.rpartition(':')[2]} {named.name} is deleted with its content",
                    "retain it first: deploy it once with DeletionPolicy: Retain, or export its content and delete it "
                    "by hand",
                )
    for named in change.gone("AWS::SQS::Queue"):
        yield warning(
            CHECK,
            named.where,
            f"the queue {named.name} is deleted with its messages",
            "stop its senders and let it run empty first: docs/howto/remove-a-job.md",
        )
    for named in change.gone("AWS::Lambda::Function"):
        if named.stack not in change.after:
            continue  # The whole stack stays: see orphaned_stacks.
        yield warning(
            CHECK,
            named.where,
            f"the function {named.name} is deleted; its pauses, dead letters and status stay under the old name",
            "deal with its dead letters first: docs/howto/remove-a-job.md",
        )
