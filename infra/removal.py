"""Removal policy: which resources stay when their stack no longer has them."""

from __future__ import annotations

from aws_cdk import CfnResource, RemovalPolicy


def keep(resource: CfnResource, *, production: bool) -> None:
    """Retain the resource in production, else delete it with its stack.

    RetainExceptOnCreate: a first deployment that fails leaves nothing behind, since its names would block the second.
    """
    # Retains what a replacement leaves behind, too.
    resource.apply_removal_policy(RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE if production else RemovalPolicy.DESTROY)
