"""Seed assessments: queued ones of the organization that the sample events name."""

from __future__ import annotations

from shared.aws.cloud import Cloud
from shared.tables import ASSESSMENTS

# The assessment that the sample event names.
NAME = "as_1"


def seed(cloud: Cloud, count: int, number: int = 1) -> dict[str, int]:
    """Create the assessments 0 to count - 1 of a seed.

    The one of the sample event is created too, with its organization. Existing rows stay. Returns the numbers of rows.
    """
    # Imported lazily: the registry imports this module.
    from shared.product import sample_organization
    from shared.product.sample_organization import MEMBER
    from shared.store import table

    names = (NAME, *(f"as-{number}-{each}" for each in range(count)))
    rows = ({"pk": sample_organization.NAME, "sk": name, "user": MEMBER} for name in names)
    return {
        "organizations": sample_organization.create(cloud),
        "assessments": sum(table.put_if_absent(cloud, ASSESSMENTS, row) for row in rows),
    }
