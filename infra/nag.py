"""cdk-nag's AwsSolutions rules over the whole app (`-c nag=true`), and why some of them are not for us."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from aws_cdk import Acknowledgment, App, Validations
from cdk_nag import AwsSolutionsChecks

from infra import roles
from shared.aws.names import Names
from shared.aws.permissions import Grant

REASONS = {
    "AwsSolutions-L1": "Functions run on the Python that their packages are compiled for and tested with; a newer one "
    "is a decision, taken in infra/platform.py, not a default.",
    "AwsSolutions-S1": "Nobody but the jobs reads or writes the bucket, and each run records what it wrote. Logs of "
    "access would outweigh what they describe.",
    "AwsSolutions-SMG4": "Whoever calls the URL holds the token too, so it cannot rotate without them: a new value is "
    "put in by hand, and the previous one is accepted meanwhile.",
}
DECLARED = "The wildcard ends a prefix that a grant declares; the role has nothing but its grants."


def check(app: App, stage: str, grants: Iterable[Grant]) -> None:
    """Any wildcard that no grant declares is an error."""
    reasons = REASONS | {f"AwsSolutions-IAM5[Resource::{arn}]": DECLARED for arn in _wildcards(stage, grants)}
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    Validations.of(app).acknowledge(*(Acknowledgment(id=rule, reason=reason) for rule, reason in reasons.items()))


def _wildcards(stage: str, grants: Iterable[Grant]) -> Iterator[str]:
    # As cdk-nag writes what is known at deployment only.
    shown = Names(stage, "<AWS::AccountId>", "<AWS::Region>", "<AWS::Partition>")
    for statement in roles.statements(shown, grants):
        yield from (arn for arn in statement["Resource"] if "*" in arn)
