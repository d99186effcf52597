"""Open the workspace of plugins: a folder on the disk, or the bucket."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from shared.plugins.host.workspace import Workspace

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud


def open_at(where: str, cloud: Cloud) -> Workspace:
    """On the disk where a folder is named, in the deployment's bucket where none is."""
    if where:
        from shared.plugins.host.disk_workspace import Disk

        return Disk(Path(where))
    from shared.plugins.host.s3_workspace import Bucket

    return Bucket(cloud)
