"""Resources of the account that the stacks use instead of their own.

The stage's file names them below [account]; the stacks use them and do not create, change or delete them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from shared.aws.names import ALERTS_TOPIC, BUCKET

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html: labels between dots, no address, and no
# prefix or suffix that is reserved.
BUCKET_NAME = (
    r"(?!(xn--|sthree-|amzn-s3-demo-)|[0-9.]+$|.*(-s3alias|--ol-s3|\.mrap|--x-s3|--table-s3)$)"
    r"(?=.{3,63}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*"
)
ARN = r"arn:(aws|aws-cn|aws-us-gov)"
# Key -> form of its value, and an example for the error.
TEXTS = {
    "bucket": (BUCKET_NAME, "corp-jobs-prod"),
    "alerts_topic": (rf"{ARN}:sns:[a-z0-9-]+:[0-9]{{12}}:[\w-]{{1,256}}", "arn:aws:sns:eu-west-1:123456789012:oncall"),
    "kms_key": (
        rf"{ARN}:kms:[a-z0-9-]+:[0-9]{{12}}:key/[\w-]{{1,64}}",
        "arn:aws:kms:eu-west-1:123456789012:key/1a2b...",
    ),
    "permissions_boundary": (
        rf"{ARN}:iam::([0-9]{{12}}|aws):policy/([\w+=,.@-]+/)*[\w+=,.@-]{{1,128}}",
        "arn:aws:iam::123456789012:policy/boundary",
    ),
}
LISTS = {
    "subnets": (r"subnet-([0-9a-f]{8}|[0-9a-f]{17})", "subnet-0a1b2c3d"),
    "security_groups": (r"sg-([0-9a-f]{8}|[0-9a-f]{17})", "sg-0a1b2c3d"),
}
# Quotas of Lambda for one function.
MOST = {"subnets": 16, "security_groups": 5}
# https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html
TAG_KEY = re.compile(r"[\w\s.:/=+@-]{1,128}", re.ASCII)
TAG_VALUE = re.compile(r"[\w\s.:/=+@-]{0,256}", re.ASCII)
OWN_TAGS = ("aws:", "nightshift:")
# CloudFormation passes up to 50 on; three are the stacks' own.
MOST_TAGS = 47


class AccountError(Exception):
    """Resources of another account or region: one line for each."""


@dataclass(frozen=True, slots=True)
class AccountResources:
    """The table [account]; empty values where the stacks create their own.

    bucket: name. alerts_topic, kms_key, permissions_boundary: ARN. subnets and security_groups: ids; functions run in
    the VPC of the subnets.
    """

    bucket: str = ""
    alerts_topic: str = ""
    kms_key: str = ""
    permissions_boundary: str = ""
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> AccountResources:
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in table.items()
        }
        return cls(**fields)

    @property
    def variables(self) -> dict[str, str]:
        """Names that functions and the command line cannot form."""
        return {name: value for name, value in ((BUCKET, self.bucket), (ALERTS_TOPIC, self.alerts_topic)) if value}

    def check(self, account: str | None, region: str | None) -> None:
        """Refuse resources of another account or region.

        None: it is not known. Raises AccountError.
        """
        if errors := [*self._elsewhere(account, region)]:
            raise AccountError("\n".join(errors))

    def _elsewhere(self, account: str | None, region: str | None) -> Iterator[str]:
        for name in ("alerts_topic", "kms_key"):
            arn: str = getattr(self, name)
            if arn and region and arn.split(":")[3] != region:
                yield f"[account] {name}: {arn} is in {arn.split(':')[3]}, and the deployment in {region}"
        owner = self.permissions_boundary.split(":")[4] if self.permissions_boundary else "aws"
        if account and owner not in ("aws", account):
            yield f"[account] permissions_boundary is a policy of account {owner}, and the deployment of {account}"


def errors(table: Any) -> Iterator[str]:
    """Errors in the table [account] of a stage's file."""
    if not isinstance(table, dict):
        yield "account must be a table, [account]"
        return
    for name, value in table.items():
        if name in TEXTS:
            form, example = TEXTS[name]
            if not isinstance(value, str) or not re.fullmatch(form, value, re.ASCII):
                yield f'[account] {name} must be a text as in "{example}"'
        elif name in LISTS:
            yield from _list_errors(name, value)
        else:
            yield f"[account] {name!r} is none of {', '.join((*TEXTS, *LISTS))}"
    if ("subnets" in table) != ("security_groups" in table):
        yield "[account] subnets and security_groups belong together: functions in a VPC need both"


def _list_errors(name: str, value: Any) -> Iterator[str]:
    form, example = LISTS[name]
    listed = isinstance(value, list) and value and all(isinstance(one, str) for one in value)
    if not listed or not all(re.fullmatch(form, one, re.ASCII) for one in value):
        yield f'[account] {name} must be a list as in ["{example}"]'
    elif len({*value}) < len(value):
        yield f"[account] {name} has an entry twice"
    elif len(value) > MOST[name]:
        yield f"[account] {name} has {len(value)} entries; Lambda allows {MOST[name]}"


def tag_errors(table: Any) -> Iterator[str]:
    """Errors in the table [tags] of a stage's file."""
    if not isinstance(table, dict):
        yield "tags must be a table, [tags]"
        return
    if len(table) > MOST_TAGS:
        yield f"[tags] has {len(table)} tags; CloudFormation allows {MOST_TAGS} beside those of the stacks"
    for key, value in table.items():
        if key.lower().startswith(OWN_TAGS):
            yield f"[tags] {key}: names that begin with {' or '.join(OWN_TAGS)} are reserved"
        elif not TAG_KEY.fullmatch(key) or not key.strip():
            yield f"[tags] {key}: a name has up to 128 letters, digits, spaces and . : / = + @ - _"
        elif not isinstance(value, str) or not TAG_VALUE.fullmatch(value):
            yield f"[tags] {key}: the value must be a text of up to 256 letters, digits, spaces and . : / = + @ - _"
