"""What a message says: ids and the data that never changes, of one organization, in a numbered version of its form.

Import this, and pydantic with it, only in modules whose job takes or sends such messages.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Self, TypeVar
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from shared.job.outcome import Rejected
from shared.job.validation import DeclarationError, where
from shared.messages.payload_rules import faults

VERSION = "schemaVersion"
ORGANIZATION, ALIAS = "organizationId", "orgId"
CORRELATION = "correlationId"
# It becomes part of keys of rows and objects, where # and / separate.
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@-]{0,127}")
NAMED = 3

Id = Annotated[str, Field(pattern=f"^{ID.pattern}$")]
Data = dict[str, Any]
Upcaster = Callable[[Data], Data]
F = TypeVar("F", bound=Upcaster)


class InvalidPayload(Rejected):
    """What came is not what was declared; the message names fields, and never says what is in them."""


class InvalidOrganization(Rejected):
    def __init__(self, organization: str) -> None:
        super().__init__(f"Invalid organization {organization:.80}")


@dataclass(frozen=True, slots=True)
class Wire:
    """How a payload travels. type: in the envelope. version: the newest, which is the one that is written.

    encrypted: never in the queue itself, but in an object under a key of ours. organization_in: the part of it that
    says whose it is, where the payload itself does not.
    """

    type: str
    version: int = 1
    encrypted: bool = False
    organization_in: str = ""
    upcasters: Mapping[int, Upcaster] = field(default_factory=dict, repr=False)


class Part(BaseModel):
    """What payloads are made of: camelCase on the wire, nothing unknown, nothing converted, never changed."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        alias_generator=to_camel,
        validate_by_alias=True,
        validate_by_name=True,
    )


class Payload(Part):
    """Declare it with the data that the work begins with; a class keyword each for what `Wire` has.

    class UsageIngestion(Payload, version=2):
        batch_id: str
        events: tuple[UsageEvent, ...]

        @upcast(from_=1)
        @staticmethod
        def batches_had_no_id(data: Data) -> Data:
            return {**data, "batchId": data["events"][0]["id"]}
    """

    wire: ClassVar[Wire] = Wire("")

    organization_id: Id
    user_id: Id | None = None
    correlation_id: Annotated[str, Field(min_length=1, max_length=128)] = Field(default_factory=lambda: uuid4().hex)

    def __init_subclass__(cls, **_: Any) -> None:
        super().__init_subclass__()

    @classmethod
    def __pydantic_init_subclass__(
        cls,
        *,
        version: int = 1,
        type: str = "",  # noqa: A002 - as the envelope calls it
        encrypted: bool = False,
        organization_in: str = "",
        **rest: Any,
    ) -> None:
        super().__pydantic_init_subclass__(**rest)
        kebab = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", cls.__name__).lower()
        upcasters = {each.upcasts_from: each for each in vars(cls).values() if hasattr(each, "upcasts_from")}
        cls.wire = Wire(type or kebab, version, encrypted, organization_in, upcasters)
        own = {name: info for name, info in cls.model_fields.items() if name not in Payload.model_fields}
        fault = next(faults(own, version, upcasters), None)
        if fault:
            raise DeclarationError(f"{where(cls)}: {fault}")

    @property
    def schema_version(self) -> int:
        return self.wire.version

    def to_wire(self) -> Data:
        """As it goes onto the wire."""
        nobody = {"user_id"} if self.user_id is None else None
        return {VERSION: self.wire.version, **self.model_dump(mode="json", by_alias=True, exclude=nobody)}

    @classmethod
    def from_wire(cls, given: Any) -> Self:
        """The payload in JSON data of this version, or of an older one. Raises InvalidPayload, InvalidOrganization."""
        if not isinstance(given, Mapping):
            raise InvalidPayload(f"{cls.wire.type}: the payload is no object")
        data = _told(cls.wire, _upcast(cls.wire, dict(given)))
        try:
            # From text, since to pydantic's strict mode JSON has no dates, but a text may be one.
            return cls.model_validate_json(json.dumps(data), by_alias=True, by_name=False)
        except ValidationError as error:
            raise InvalidPayload(f"{cls.wire.type}, version {cls.wire.version}: {_explained(error)}") from None


def upcast(*, from_: int) -> Callable[[F], F]:
    """Marks the static method that turns the data of version `from_` into that of the next."""

    def mark(upcaster: F) -> F:
        upcaster.upcasts_from = from_  # type: ignore[attr-defined]
        return upcaster

    return mark


def _upcast(wire: Wire, data: Data) -> Data:
    version = data.pop(VERSION, 1)
    if type(version) is not int or version < 1:
        raise InvalidPayload(f"{wire.type}: {VERSION} is a whole number from 1, and not {version!r:.40}")
    if version > wire.version:
        raise InvalidPayload(
            f"{wire.type}, version {version}: it comes from the future, this consumer reads up to {wire.version}; "
            "deploy the consumer of that version, then send the letter again"
        )
    if version < wire.version:
        # An upcaster may change what it is given, and somebody may still need that.
        data = deepcopy(data)
    for old in range(version, wire.version):
        if old not in wire.upcasters:
            raise InvalidPayload(
                f"{wire.type}, version {version}: nothing turns version {old} into {old + 1}; declare "
                f"@upcast(from_={old}), then send the letter again"
            )
        try:
            data = dict(wire.upcasters[old](data))
        except Exception as error:
            raise InvalidPayload(
                f"{wire.type}, version {version}: {type(error).__name__} when it was made version {old + 1}"
            ) from error
    return data


def _told(wire: Wire, data: Data) -> Data:
    """With the organization where it belongs, and without a correlation that is none."""
    holders = [data, data.get(wire.organization_in)]
    named = [
        holder[name]
        for holder in holders
        if isinstance(holder, Mapping)
        for name in (ORGANIZATION, ALIAS)
        if name in holder
    ]
    if not named:
        raise InvalidPayload(f"{wire.type}: {ORGANIZATION}: Field required")
    organization = named[0]
    if not isinstance(organization, str) or not ID.fullmatch(organization):
        raise InvalidOrganization(str(organization))
    if any(other != organization for other in named):
        raise InvalidPayload(f"{wire.type}: it names two organizations")
    kept = {name: value for name, value in data.items() if name not in (ORGANIZATION, ALIAS, CORRELATION)}
    # Null stands for none, as some write it.
    correlation = {} if data.get(CORRELATION) is None else {CORRELATION: data[CORRELATION]}
    return {ORGANIZATION: organization, **correlation, **kept}


def _explained(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    told = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in found[:NAMED]]
    return "; ".join(told) + (f"; and {len(found) - NAMED} more" if len(found) > NAMED else "")
