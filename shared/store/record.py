"""A row of a table: its model, its keys, and the index in which it ages or waits."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    ValidationInfo,
)
from pydantic_core import ErrorDetails

from shared import clock
from shared.tables import Index, Table

WRITTEN = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?")
# Before it lies what was never set, 1970 or the year 1; after it no calendar goes on.
FIRST, LAST = datetime(1980, 1, 1, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
# Clocks of those who write rows may go wrong by so much.
SKEW = timedelta(minutes=5)


def _instant(given: Any) -> datetime:
    if isinstance(given, str) and WRITTEN.fullmatch(given):
        given = datetime.fromisoformat(given)
    if not isinstance(given, datetime):
        raise ValueError("is no instant; write it as 2026-11-21T22:05:00.123Z")
    if given.tzinfo is None:
        raise ValueError("has no time zone; end it with Z, or with an offset such as +01:00")
    if not FIRST <= given <= LAST:
        raise ValueError("lies beyond any time that could be meant, the years 1980 to 9999")
    whole = given.astimezone(UTC)
    return whole.replace(microsecond=whole.microsecond // 1000 * 1000)


def _past(value: datetime, info: ValidationInfo) -> datetime:
    now = (info.context or {}).get("now")
    if now is not None and value > now + SKEW:
        raise ValueError("lies in the future, and what it dates has happened")
    return value


# It becomes part of keys of other rows and of objects, where # and / separate.
Id = Annotated[
    str,
    Field(
        min_length=1,
        max_length=256,
        pattern=r"^[^\s/#\x00-\x1f\x7f]+$",
        description="text of 1 to 256 characters, without spaces, `/` and `#`",
    ),
]
# To the millisecond, as `clock.iso` writes it.
Instant = Annotated[datetime, BeforeValidator(_instant), PlainSerializer(clock.iso, when_used="json")]
# Of something that has happened: not in the future, wherever `read` and `of` are told what the time is.
Past = Annotated[Instant, AfterValidator(_past)]
# What a number of DynamoDB holds, and of any other store that these rows may come from or go to.
Count = Annotated[int, Field(ge=0, lt=2**63)]
Address = Annotated[
    str,
    Field(
        max_length=320,
        pattern=r"^[^\s@<>,;\x00-\x1f\x7f]+@[^\s@<>,;\x00-\x1f\x7f]+$",
        description="an e-mail address, in any script",
    ),
]
# Of an alias, whose address is its id.
AliasAddress = Annotated[
    str,
    Field(
        max_length=256,
        pattern=r"^[^\s@<>,;/#\x00-\x1f\x7f]+@[^\s@<>,;/#\x00-\x1f\x7f]+$",
        description="an e-mail address of up to 256 characters, without `/` and `#`",
    ),
]
# Of an attribute within one: a store has none without a name.
Name = Annotated[str, Field(min_length=1, max_length=100)]
VERSION = "v"
# What jobs note on a row beside its fields: why it was set aside, that it is being purged.
FAULT = "fault"
MARKS = (FAULT, "going")
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
    def of(cls, row: Mapping[str, Any], now: datetime | None = None) -> Self:
        """From a row, as plain data; as of `now`, where that is given. Raises InvalidRecord."""
        indexed = {key for index in cls.table.indexes for key in (index.pk, index.sk)}
        beside = {cls.table.pk, cls.table.sk, *indexed, *MARKS}
        fields = {name: value for name, value in row.items() if name not in beside}
        return cls.read({**fields, "user": row.get(cls.table.pk), "id": row.get(cls.table.sk)}, now)

    @classmethod
    def read(cls, given: Mapping[str, Any], now: datetime | None = None) -> Self:
        """From JSON data, as a line of a file has it: fields by name, `user`, `id`, and `v` or none for the newest.

        now: with it, what has happened cannot lie in the future. Raises InvalidRecord.
        """
        data = dict(given)
        version = data.pop(VERSION, cls.version)
        if type(version) is not int or version != cls.version:
            raise InvalidRecord(f"{VERSION}: version {version!r:.40} is unknown, {cls.version} is what there is")
        try:
            # From text, since to pydantic's strict mode JSON has no dates, but a text may be one.
            return cls.model_validate_json(json.dumps(data), context={"now": now})
        except ValidationError as error:
            raise InvalidRecord(
                _explained(error, {name: info.description for name, info in cls.model_fields.items()})
            ) from None

    def with_changes(self, changes: Mapping[str, Any]) -> Self:
        """The record with other values in some fields, as values or JSON data; None removes a field.

        Raises InvalidRecord.
        """
        new = {name: clock.iso(value) if isinstance(value, datetime) else value for name, value in changes.items()}
        data = {**self.model_dump(mode="json"), **new}
        return self.read({name: value for name, value in data.items() if value is not None})


def _index(table: Table, name: str) -> Index:
    return next(index for index in table.indexes if index.name == name)


def _explained(error: ValidationError, described: Mapping[str, str | None]) -> str:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    told = [f"{_place(each['loc'])}{_reason(each, described)}" for each in found[:NAMED]]
    return "; ".join(told) + (f"; and {len(found) - NAMED} more" if len(found) > NAMED else "")


def _reason(each: ErrorDetails, described: Mapping[str, str | None]) -> str:
    [*_, field] = each["loc"] or ("",)
    if each["type"] == "string_pattern_mismatch" and (what := described.get(str(field))):
        return f"is not {what}"
    if each["type"] == "json_invalid":
        # Nothing else that was read as JSON cannot be written as it.
        return "has half of a character, one of \\ud800 to \\udfff without its other"
    return each["msg"].removeprefix("Value error, ")


def _place(found: tuple[int | str, ...]) -> str:
    return ".".join(f"{part:.40}" if isinstance(part, str) else str(part) for part in found) + ": " if found else ""
