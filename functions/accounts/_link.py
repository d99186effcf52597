"""Links to exports: signed, and dead when the export is."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

    from shared.cloud import Cloud

# The most that AWS lets a signature of version 4 hold.
LONGEST = timedelta(days=7)


class LinkExpired(ValueError):
    """The export is gone, and there is nothing to link to."""


def link(cloud: Cloud, archive: str, until: datetime) -> str:
    """A link to the archive that works until that instant, and for no longer than 7 days from now. Raises LinkExpired.

    One that is signed by a role's credentials ends with those: on Lambda hours after, whatever it says.
    """
    from botocore.config import Config

    left = min(until - cloud.clock.now(), LONGEST)
    if left < timedelta(seconds=1):
        raise LinkExpired(f"{archive} was there until {until:%Y-%m-%d %H:%M} UTC; ask for another export")
    config = Config(signature_version="s3v4")
    client: Any = cloud.session.create_client("s3", region_name=cloud.names.region, config=config)
    asked = {"Bucket": cloud.names.bucket, "Key": archive}
    made: str = client.generate_presigned_url("get_object", asked, ExpiresIn=int(left.total_seconds()))
    return made
