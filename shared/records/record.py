"""A row of a table: its model, its keys, and the index in which it ages or waits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer, ValidationError

from shared import clock
from shared.tables import Index, Table

# It becomes part of keys of other rows and of objects, where # and / separate.
Id = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\s/#\x00-\x1f]+$")]
Instant = Annotated[AwareDatetime, PlainSerializer(clock.iso, when_used="json")]
Count = Annotated[int, Field(ge=0)]
VERSION = "v"
# The row of which a user has one.
ONLY = "-"
NAMED = 3


class InvalidRecord(ValueError):
    """A row, or a line of a file, that is not what its table takes; names the fields, and not what is in them."""


class Record(BaseModel):
    """Declare `table`, the fields, and where rows age or wait `aging` or `waiting`.

    user: the partition. id: the sort key. What else a row has are its fields by name, instants as `clock.iso` writes
    them, absent where None; `v` is the version of its form.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    table: ClassVar[Table]
    version: ClassVar[int] = 1

    user: Id
    id: Id

    def aging(self) -> tuple[str, datetime] | None:
        """The kind that it is of, mostly "", and the instant that it ages from; None while it is kept."""
        return None

    def waiting(self) -> datetime | None:
        """When it is due; None where it waits for nothing."""
        return None

    def item(self) -> dict[str, Any]:
        """The row, as plain data."""
        fields = self.model_dump(mode="json", exclude_none=True, exclude={"user", "id"})
        return {self.table.pk: self.user, self.table.sk: self.id, VERSION: self.version, **fields, **self.places()}

    def places(self) -> dict[str, str]:
        """The attributes by which the indexes have it; those that are not here must be absent from the row."""
        found: dict[str, str] = {}
        key = f"{self.user}#{self.id}"
        if aging := self.aging():
            index, (kind, since) = _index(self.table, "aged"), aging
            found |= {index.pk: index.partition(key, kind), index.sk: clock.iso(since)}
        if due := self.waiting():
            index = _index(self.table, "due")
            found |= {index.pk: index.partition(key), index.sk: clock.iso(due)}
        return found

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """From a row, as plain data. Raises InvalidRecord."""
        keys = {cls.table.pk, cls.table.sk, *(key for index in cls.table.indexes for key in (index.pk, index.sk))}
        fields = {name: value for name, value in row.items() if name not in keys}
        return cls.read({"user": row.get(cls.table.pk), "id": row.get(cls.table.sk), **fields})

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Self:
        """From JSON data, as a line of a file has it: fields by name, `user`, `id`, and `v` or none for the newest.

        Raises InvalidRecord.
        """
        data = dict(given)
        version = data.pop(VERSION, cls.version)
        if version != cls.version:
            raise InvalidRecord(f"{VERSION}: version {version!r:.40} is unknown, {cls.version} is what there is")
        try:
            # From text, since to pydantic's strict mode JSON has no dates, but a text may be one.
            return cls.model_validate_json(json.dumps(data))
        except ValidationError as error:
            raise InvalidRecord(_explained(error)) from None


def _index(table: Table, name: str) -> Index:
    return next(index for index in table.indexes if index.name == name)


def _explained(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    told = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in found[:NAMED]]
    return "; ".join(told) + (f"; and {len(found) - NAMED} more" if len(found) > NAMED else "")
