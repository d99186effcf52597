"""Dependents: S3 objects and rows that are deleted before their row."""

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
    """Dependents of a table's rows.

    After a crash the row remains, and with it the keys of what is left to delete.
    """

    objects: Mapping[str, str] = field(default_factory=dict)
    """Attributes that name an S3 object, each with the folder in which it must be."""
    along: tuple[Table, ...] = ()
    """Tables with rows of the same keys."""

    def __bool__(self) -> bool:
        return bool(self.objects or self.along)

    def grants(self) -> Iterator[Grant]:
        yield from (permissions.delete_objects(f"{folder}*") for folder in self.objects.values())
        yield from (permissions.delete_rows(table.name) for table in self.along)

    def misplaced(self, row: Row) -> str:
        """Reason to keep a row that names an object outside its folder.

        Empty if there is none.
        """
        for name, folder in self.objects.items():
            key = row.item.get(name) or folder
            if not str(key).startswith(folder):
                return f"its {name} is {key!r:.80}, and must be in {folder}"
        return ""

    def delete(self, cloud: Cloud, rows: Sequence[Row]) -> None:
        """Delete the dependents of the rows.

        Raises OSError for objects, Throttled for rows.
        """
        objects = [str(row.item[name]) for row in rows for name in self.objects if row.item.get(name)]
        for start in range(0, len(objects), OBJECTS):
            _delete_objects(cloud, objects[start : start + OBJECTS])
        for table in self.along:
            bulk_delete.delete_rows(cloud, table, [row.key for row in rows])


def _delete_objects(cloud: Cloud, keys: Sequence[str]) -> None:
    objects: Any = [{"Key": key} for key in dict.fromkeys(keys)]
    answer = cloud.s3.delete_objects(Bucket=cloud.names.bucket, Delete={"Objects": objects, "Quiet": True})
    failed = answer.get("Errors", [])
    if failed:
        raise OSError(f"{len(failed)} objects were not deleted, {failed[0]['Key']}: {failed[0].get('Message')}")
