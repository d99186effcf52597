"""Open the workspace of plugins.

A folder on a disk, or the bucket of the deployment.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from shared.plugins.host.workspace import Workspace

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud


def open_at(where: str, cloud: Cloud) -> Workspace:
    """The folder `where`, or the bucket if it is empty."""
    if where:
        from shared.plugins.host.disk_workspace import DiskWorkspace

        return DiskWorkspace(Path(where))
    from shared.plugins.host.s3_workspace import S3Workspace

    return S3Workspace(cloud)
