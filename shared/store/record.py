"""Model of a table's row: fields, keys and index attributes.

The index attributes make a row age or wait.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
)
from pydantic_core import ErrorDetails

from shared import clock
from shared.tables import Index, Table
from shared.text.mail_address import InvalidAddress, parse_address
from shared.text.timestamp_field import Timestamp as Timestamp

# Deviation of the clocks of applications that write rows.
SKEW = timedelta(minutes=5)


def _past(value: datetime, info: ValidationInfo) -> datetime:
    now = (info.context or {}).get("now")
    if now is not None and value > now + SKEW:
        raise ValueError("lies in the future, but is the time of a past event")
    return value


# Part of the keys of other rows and of objects, in which # and / separate.
Id = Annotated[
    str,
    Field(
        min_length=1,
        max_length=256,
        pattern=r"^[^\s/#\x00-\x1f\x7f]+$",
        description="text of 1 to 256 characters, without spaces, `/` and `#`",
    ),
]
# Timestamp of a past event: not in the future, if `read` and `from_row` are called with `now`.
Past = Annotated[Timestamp, AfterValidator(_past)]
# Fits a number of DynamoDB, and of other databases that rows are exchanged with.
Count = Annotated[int, Field(ge=0, lt=2**63)]


def _address(value: str) -> str:
    """The address with its domain in lower-case ASCII."""
    try:
        return str(parse_address(value))
    except InvalidAddress:
        # Without the parser's reason, which quotes the address.
        raise ValueError("is not one bare e-mail address, such as name@example.com") from None


def _alias(value: str) -> str:
    """Return the canonical form of an alias, its row's id.

    In lower case, the local part too: an alias belongs to this system, which ignores case.
    """
    return unicodedata.normalize("NFC", _address(value).lower())


Address = Annotated[
    str,
    Field(
        max_length=320,
        pattern=r"^[^\s@<>,;\x00-\x1f\x7f]+@[^\s@<>,;\x00-\x1f\x7f]+$",
        description="an e-mail address, in any script",
    ),
    AfterValidator(_address),
]
# Address of an alias, which is its id; in lower case.
AliasAddress = Annotated[
    str,
    Field(
        max_length=256,
        pattern=r"^[^\s@<>,;/#\x00-\x1f\x7f]+@[^\s@<>,;/#\x00-\x1f\x7f]+$",
        description="an e-mail address of up to 256 characters, without `/` and `#`",
    ),
    AfterValidator(_alias),
]
# Name of a nested attribute; DynamoDB has none with an empty name.
Name = Annotated[str, Field(min_length=1, max_length=100)]
VERSION = "v"
# Attributes that jobs add to a row beside its fields: the reason of its quarantine; a purge is deleting its dependents.
FAULT = "fault"
MARKS = (FAULT, "going")
# Sort key of a row that each user has once.
ONLY = "-"
# Invalid fields that an error lists.
LISTED_FIELDS = 3


class InvalidRecord(ValueError):
    """A row or a file's line does not match its model.

    The message lists fields without their values.
    """


class Record(BaseModel):
    """Base class of the rows of a table.

    Declare `table`, the fields, and override `aging` or `waiting` for the indexes.

    A row contains its fields by name, timestamps as `clock.iso` writes them, without those that are None; `v` is the
    version of its format.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    table: ClassVar[Table]
    version: ClassVar[int] = 1

    #: Partition key.
    user: Id
    #: Sort key.
    id: Id

    def aging(self) -> tuple[str, datetime] | None:
        """Kind within the index, and the timestamp of the row's age.

        The kind is mostly "". None if the row does not age.
        """
        return None

    def waiting(self) -> datetime | None:
        """Time at which the row is due; None if it never is."""
        return None

    def item(self) -> dict[str, Any]:
        """Convert to a row, as plain data."""
        fields = self.model_dump(mode="json", exclude_none=True, exclude={"user", "id"})
        return {
            self.table.pk: self.user,
            self.table.sk: self.id,
            VERSION: self.version,
            **fields,
            **self.index_attributes(),
        }

    def index_attributes(self) -> dict[str, str]:
        """Attributes of the indexes.

        An index attribute that is not returned must be absent from the row.
        """
        places: dict[str, str] = {}
        key = f"{self.user}#{self.id}"
        if aging := self.aging():
            index, (kind, since) = _index(self.table, "aged"), aging
            places |= {index.pk: index.partition(key, kind), index.sk: clock.iso(since)}
        if due := self.waiting():
            index = _index(self.table, "due")
            places |= {index.pk: index.partition(key), index.sk: clock.iso(due)}
        return places

    @classmethod
    def from_row(cls, row: Mapping[str, Any], now: datetime | None = None) -> Self:
        """Validate a row, as plain data.

        With `now` past events must not lie after it. Raises InvalidRecord.
        """
        indexed = {key for index in cls.table.indexes for key in (index.pk, index.sk)}
        beside = {cls.table.pk, cls.table.sk, *indexed, *MARKS}
        fields = {name: value for name, value in row.items() if name not in beside}
        return cls.read({**fields, "user": row.get(cls.table.pk), "id": row.get(cls.table.sk)}, now)

    @classmethod
    def read(cls, values: Mapping[str, Any], now: datetime | None = None) -> Self:
        """Validate JSON data, as a line of a file has it.

        Raises InvalidRecord.

        values: fields by name, `user`, `id`, and `v` (default: the newest). now: past events must not lie after it.
        """
        data = dict(values)
        version = data.pop(VERSION, cls.version)
        if type(version) is not int or version != cls.version:
            raise InvalidRecord(f"{VERSION}: version {version!r:.40} is unknown, the newest is {cls.version}")
        try:
            # As JSON: pydantic's strict mode accepts the text of a date only there.
            return cls.model_validate_json(json.dumps(data), context={"now": now})
        except ValidationError as error:
            raise InvalidRecord(
                _explained(error, {name: info.description for name, info in cls.model_fields.items()})
            ) from None

    def with_changes(self, changes: Mapping[str, Any]) -> Self:
        """Copy of the record with other values in some fields.

        As values or JSON data; None removes a field. Raises InvalidRecord.
        """
        new = {name: clock.iso(value) if isinstance(value, datetime) else value for name, value in changes.items()}
        data = {**self.model_dump(mode="json"), **new}
        return self.read({name: value for name, value in data.items() if value is not None})


def _index(table: Table, name: str) -> Index:
    return next(index for index in table.indexes if index.name == name)


def _explained(error: ValidationError, described: Mapping[str, str | None]) -> str:
    errors = error.errors(include_url=False, include_context=False, include_input=False)
    reasons = [f"{_place(each['loc'])}{_reason(each, described)}" for each in errors[:LISTED_FIELDS]]
    return "; ".join(reasons) + (f"; and {len(errors) - LISTED_FIELDS} more" if len(errors) > LISTED_FIELDS else "")


def _reason(each: ErrorDetails, described: Mapping[str, str | None]) -> str:
    [*_, field] = each["loc"] or ("",)
    if each["type"] == "string_pattern_mismatch" and (what := described.get(str(field))):
        return f"is not {what}"
    if each["type"] == "json_invalid":
        # The only text that JSON can be read from and not be written to.
        return "has half of a character, one of \\ud800 to \\udfff without its other"
    return each["msg"].removeprefix("Value error, ")


def _place(path: tuple[int | str, ...]) -> str:
    return ".".join(f"{part:.40}" if isinstance(part, str) else str(part) for part in path) + ": " if path else ""
