"""SES: sandbox, and the identity of the sender."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cli.preflight.change import Change, named_resources
from infra.finding import Finding, refused, warning

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

CHECK = "ses"
SANDBOX = "in the sandbox, SES sends to verified addresses only, 200 a day"


def check(change: Change, cloud: Cloud) -> Iterator[Finding]:
    from botocore.exceptions import ClientError

    sender = _sender(change)
    if not sender:
        return
    try:
        account = cloud.mail.get_account()
    except ClientError as error:
        yield warning(CHECK, cloud.names.region, f"SES cannot be read: {error}", "check that the region has SES")
        return
    if not account.get("ProductionAccessEnabled"):
        yield warning(CHECK, cloud.names.region, SANDBOX, "request production access in the console of SES")
    if not any(_verified(cloud, identity) for identity in (sender, sender.rpartition("@")[2])):
        yield refused(
            CHECK,
            sender,
            "MAIL_RELAY is ses, and neither this address nor its domain is a verified identity",
            f"aws sesv2 create-email-identity --email-identity {sender.rpartition('@')[2]}, then set its DNS records",
        )


def _sender(change: Change) -> str:
    """MAIL_FROM of the functions that send by SES."""
    for named in named_resources(change.after, "AWS::Lambda::Function"):
        variables = named.properties.get("Environment", {}).get("Variables", {})
        if str(variables.get("MAIL_RELAY", "")).startswith("ses") and variables.get("MAIL_FROM"):
            return str(variables["MAIL_FROM"]).rpartition("<")[2].strip("> ")
    return ""


def _verified(cloud: Cloud, identity: str) -> bool:
    try:
        return bool(cloud.mail.get_email_identity(EmailIdentity=identity).get("VerifiedForSendingStatus"))
    except cloud.mail.exceptions.NotFoundException:
        return False
