"""Payloads of messages: pydantic models with a schema version.

Each belongs to one organization; upcasters convert older versions.

Import this, and pydantic with it, only in modules whose job receives or sends such messages.
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
from shared.messages.payload_rules import Identifier, entity_path, faults
from shared.text.timestamp_field import Timestamp as Timestamp

VERSION = "schemaVersion"
ORGANIZATION, ALIAS = "organizationId", "orgId"
CORRELATION = "correlationId"
# Ids are parts of keys of rows and objects, where # and / separate.
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@-]{0,127}")
# Errors that the message of InvalidPayload names.
MAX_NAMED = 3

Id = Annotated[str, Field(pattern=f"^{ID.pattern}$"), Identifier()]
Data = dict[str, Any]
Upcaster = Callable[[Data], Data]
F = TypeVar("F", bound=Upcaster)


class InvalidPayload(Rejected):
    """A payload that does not match its declaration.

    The message names fields and never contains their values.
    """


class InvalidOrganization(Rejected):
    """An organization whose id is malformed, or which is not admitted."""

    def __init__(self, organization: str) -> None:
        super().__init__(f"Invalid organization {organization:.80}")


@dataclass(frozen=True, slots=True)
class Wire:
    """The form of a payload on the wire."""

    #: `type` of the envelope.
    type: str
    #: The newest schema version, which is the one that is sent.
    version: int = 1
    #: Whether the payload is only sent through S3, encrypted with the deployment's KMS key.
    encrypted: bool = False
    #: Field that contains the organization's id, where the payload itself does not.
    organization_in: str = ""
    #: Path to the field with the id of what the message is about; empty where it has none.
    entity: tuple[str, ...] = ()
    #: Upcasters by the version that they convert.
    upcasters: Mapping[int, Upcaster] = field(default_factory=dict, repr=False)


class Part(BaseModel):
    """Base of payloads and their parts.

    camelCase on the wire, strict, frozen, no unknown fields.
    """

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
    """Base of payloads. Declare the data with which the work begins.

    Class keywords as in `Wire`.

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
        type: str = "",  # noqa: A002 - the name in the envelope
        encrypted: bool = False,
        organization_in: str = "",
        **rest: Any,
    ) -> None:
        super().__pydantic_init_subclass__(**rest)
        kebab = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", cls.__name__).lower()
        upcasters = {member.upcasts_from: member for member in vars(cls).values() if hasattr(member, "upcasts_from")}
        own = {name: info for name, info in cls.model_fields.items() if name not in Payload.model_fields}
        cls.wire = Wire(type or kebab, version, encrypted, organization_in, entity_path(own), upcasters)
        fault = next(faults(own, version, upcasters), None)
        if fault:
            raise DeclarationError(f"{where(cls)}: {fault}")

    @property
    def schema_version(self) -> int:
        return self.wire.version

    @property
    def entity_id(self) -> str:
        """Id of the message's subject: its first id, or ""."""
        value: Any = self if self.wire.entity else ""
        for name in self.wire.entity:
            value = getattr(value, name)
        return "" if value is None else str(value)

    def to_wire(self) -> Data:
        """Return the payload as JSON data for the wire."""
        absent = {"user_id"} if self.user_id is None else None
        return {VERSION: self.wire.version, **self.model_dump(mode="json", by_alias=True, exclude=absent)}

    @classmethod
    def from_wire(cls, data: Any) -> Self:
        """Parse JSON data of this version or an older one.

        Raises InvalidPayload and InvalidOrganization.
        """
        if not isinstance(data, Mapping):
            raise InvalidPayload(f"{cls.wire.type}: the payload is no object")
        current = _normalise(cls.wire, _upcast(cls.wire, dict(data)))
        try:
            # From text: in pydantic's strict mode Python data has no dates as text, and JSON has.
            return cls.model_validate_json(json.dumps(current), by_alias=True, by_name=False)
        except ValidationError as error:
            raise InvalidPayload(f"{cls.wire.type}, version {cls.wire.version}: {_explain(error)}") from None


def upcast(*, from_: int) -> Callable[[F], F]:
    """Mark the upcaster from version `from_` to the next."""

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
            f"{wire.type}, version {version} is newer than this consumer, which reads up to {wire.version}; "
            "deploy the consumer of that version, then redrive the dead letter"
        )
    if version < wire.version:
        # An upcaster may change its argument, which the caller still needs.
        data = deepcopy(data)
    for old in range(version, wire.version):
        if old not in wire.upcasters:
            raise InvalidPayload(
                f"{wire.type}, version {version}: nothing turns version {old} into {old + 1}; declare "
                f"@upcast(from_={old}), then redrive the dead letter"
            )
        try:
            data = dict(wire.upcasters[old](data))
        except Exception as error:
            raise InvalidPayload(
                f"{wire.type}, version {version}: {type(error).__name__} in the upcast to version {old + 1}"
            ) from error
    return data


def _normalise(wire: Wire, data: Data) -> Data:
    """Move the organization's id to its own field.

    A correlation id of null is dropped.
    """
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
    rest = {name: value for name, value in data.items() if name not in (ORGANIZATION, ALIAS, CORRELATION)}
    correlation = {} if data.get(CORRELATION) is None else {CORRELATION: data[CORRELATION]}
    return {ORGANIZATION: organization, **correlation, **rest}


def _explain(error: ValidationError) -> str:
    """Return field and reason of the first errors, without values."""
    errors = error.errors(include_url=False, include_context=False, include_input=False)
    named = [
        f"{'.'.join(map(str, each['loc']))}: {each['msg'].removeprefix('Value error, ')}" for each in errors[:MAX_NAMED]
    ]
    return "; ".join(named) + (f"; and {len(errors) - MAX_NAMED} more" if len(errors) > MAX_NAMED else "")
