"""Open the workspace of plugins: a folder on the disk, or the bucket."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from shared.plugins.workspace import Workspace

if TYPE_CHECKING:
    from shared.cloud import Cloud


def open_at(where: str, cloud: Cloud) -> Workspace:
    """On the disk where a folder is named, in the deployment's bucket where none is."""
    if where:
        from shared.plugins.disk import Disk

        return Disk(Path(where))
    from shared.plugins.bucket import Bucket

    return Bucket(cloud)
