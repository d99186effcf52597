"""cdk-nag's packs AwsSolutions and Serverless (`-c nag=true`), and reasons for exceptions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from aws_cdk import Acknowledgment, App, Validations
from cdk_nag import AwsSolutionsChecks, ServerlessChecks

from infra import roles
from shared.aws.names import Names
from shared.aws.permissions import Grant

REASONS = {
    "AwsSolutions-L1": "Functions run on the Python that their packages are compiled for and tested with; a newer one "
    "is chosen in infra/platform.py, not by default.",
    "AwsSolutions-S1": "Only the jobs read and write the bucket, and each run records its artifacts. Access logs would "
    "be larger than the artifacts.",
    "AwsSolutions-SMG4": "Callers of the URL hold the token as well, so it cannot rotate without them: an operator "
    "sets a new value, and the previous one stays valid during the change.",
}
# Of the pack Serverless.
SERVERLESS = {
    "LambdaDLQ": "A dead-letter target receives the event without the reason. Jobs have an on-failure destination "
    "instead, with error and request; HTTP functions are called synchronously, and their callers see the error.",
    "LambdaEventSourceMappingDestination": "Destinations of mappings exist for streams. Messages of a queue that "
    "always fail go to its dead-letter queue.",
    "LambdaLatestVersion": "One version is deployed at a time: payloads and rows have versions of their own, and old "
    "and new code may run side by side.",
    "LambdaStarPermissions": "Only drift-watch has them: IAM limits its four list actions to no resource, and "
    "infra/roles.py refuses any other action on all resources.",
    "LambdaTracing": "Each log line and row has the ids of run, job and correlation, which `why` follows; X-Ray would "
    "be paid for each run.",
    "SQSRedrivePolicy": "The queues without one are dead-letter queues, and that of last resort. `doctor` refuses a "
    "consumer's queue without one.",
}
DECLARED = "The wildcard ends a prefix that a grant declares, and the role has only its grants."


def check(app: App, names: Names, grants: Iterable[Grant]) -> None:
    """Add the rules. A wildcard that no grant declares is an error."""
    serverless = {f"Serverless::Serverless-{rule}": reason for rule, reason in SERVERLESS.items()}
    reasons = (
        REASONS | serverless | {f"AwsSolutions-IAM5[Resource::{arn}]": DECLARED for arn in _wildcards(names, grants)}
    )
    Validations.of(app).add_plugins(AwsSolutionsChecks(app), ServerlessChecks(app))
    Validations.of(app).acknowledge(*(Acknowledgment(id=rule, reason=reason) for rule, reason in reasons.items()))


def _wildcards(names: Names, grants: Iterable[Grant]) -> Iterator[str]:
    # cdk-nag's notation for values that are known at deployment only.
    shown = replace(names, account="<AWS::AccountId>", region="<AWS::Region>", partition="<AWS::Partition>")
    for statement in roles.statements(shown, grants):
        yield from (arn for arn in statement["Resource"] if "*" in arn)
