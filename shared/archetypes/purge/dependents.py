"""What hangs on rows and goes before them: objects that they name, and rows of other tables that share their keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shared.aws import permissions
from shared.aws.permissions import Grant
from shared.store import bulk_delete
from shared.store.age_index import Row
from shared.tables import Table

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

# S3's limit for one DeleteObjects.
OBJECTS = 1000


@dataclass(frozen=True, slots=True)
class Dependents:
    """objects: attributes that name an object, and the folder in which it must lie. along: tables with the same keys.

    Whatever dies in between leaves the row, by which the rest is found again.
    """

    objects: Mapping[str, str] = field(default_factory=dict)
    along: tuple[Table, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.objects or self.along)

    def grants(self) -> Iterator[Grant]:
        yield from (permissions.delete_objects(f"{folder}*") for folder in self.objects.values())
        yield from (permissions.delete_rows(table.name) for table in self.along)

    def misplaced(self, row: Row) -> str:
        """Why the row cannot go: it names what is none of its own. Empty where there is nothing of the kind."""
        for name, folder in self.objects.items():
            named = row.item.get(name) or folder
            if not str(named).startswith(folder):
                return f"its {name} is {named!r:.80}, and must lie in {folder}"
        return ""

    def delete(self, cloud: Cloud, found: Sequence[Row]) -> None:
        """Delete it. Raises OSError for objects that stay, Slow for rows."""
        named = [str(row.item[name]) for row in found for name in self.objects if row.item.get(name)]
        for start in range(0, len(named), OBJECTS):
            _delete(cloud, named[start : start + OBJECTS])
        for table in self.along:
            # A row that moves in its index while that is read can be found twice, and no batch takes a key twice.
            keys = {(row.pk, row.sk): {table.pk: {"S": row.pk}, table.sk: {"S": row.sk}} for row in found}
            bulk_delete.delete(cloud, cloud.names.table(table.name), list(keys.values()))


def _delete(cloud: Cloud, named: Sequence[str]) -> None:
    objects: Any = [{"Key": key} for key in dict.fromkeys(named)]
    answer = cloud.s3.delete_objects(Bucket=cloud.names.bucket, Delete={"Objects": objects, "Quiet": True})
    failed = answer.get("Errors", [])
    if failed:
        raise OSError(f"{len(failed)} objects were not deleted, {failed[0]['Key']}: {failed[0].get('Message')}")
