"""Removal policy: which resources stay when their stack no longer has them."""

from __future__ import annotations

from aws_cdk import CfnDeletionPolicy, CfnResource


def keep(resource: CfnResource, *, production: bool) -> None:
    """Retain the resource in production, else delete it with its stack.

    RetainExceptOnCreate: a first deployment that fails leaves nothing behind, since its names would block the second.
    """
    options = resource.cfn_options
    options.deletion_policy = CfnDeletionPolicy.RETAIN_EXCEPT_ON_CREATE if production else CfnDeletionPolicy.DELETE
    # A replacement has no such form.
    options.update_replace_policy = CfnDeletionPolicy.RETAIN if production else CfnDeletionPolicy.DELETE
