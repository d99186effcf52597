"""Frozen preview: the items of an act, each with its version."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from functions.console._request import PageError
from functions.console._session import RoleTokens, Session

VALID = timedelta(minutes=5)
PURPOSE = "console-preview"
# From which number of items on the operator types it.
TYPED_FROM = 11
MAX_PARAMETER = 600


class ActRefused(Exception):
    """The act is not possible; nothing was done."""


class ActIncomplete(Exception):
    """Some items were refused or failed; the others are done."""


@dataclass(frozen=True, slots=True)
class Preview:
    """All that a dialog shows before an act."""

    title: str
    sentences: tuple[str, ...]
    #: What is acted on, each with its version.
    items: tuple[tuple[str, str], ...]
    #: The equivalent command.
    command: str
    #: Text of the button.
    verb: str
    tenants: tuple[str, ...] = ()
    #: Whether an end may be given.
    until: bool = False
    #: Whether data is deleted.
    danger: bool = False
    #: Whether a reason is required for one item too.
    reason: bool = False

    @property
    def count(self) -> int:
        return len(self.items)

    @property
    def typed(self) -> bool:
        """Whether the operator types the count."""
        return self.count >= TYPED_FROM

    def digest(self, act: str, parameters: Mapping[str, str]) -> str:
        """Hash of the act, its parameters, and the items in their versions."""
        text = json.dumps([act, dict(sorted(parameters.items())), sorted(self.items)])
        return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Frozen:
    """A preview that an operator has seen."""

    act: str
    parameters: dict[str, str]
    digest: str
    #: Random id: a form that is sent twice acts once.
    form: str
    expires: int

    def sealed(self, tokens: RoleTokens, session: Session) -> str:
        data = {"a": self.act, "p": self.parameters, "d": self.digest, "f": self.form, "e": self.expires}
        return tokens.sign(session.role, PURPOSE, {**data, "w": session.who})


@dataclass(frozen=True, slots=True)
class Given:
    """Entries of the operator at the confirmation."""

    who: str
    reason: str
    until: datetime | None
    #: Id of the form, as an idempotency key.
    form: str


def freeze(act: str, parameters: Mapping[str, str], preview: Preview, now: datetime) -> Frozen:
    digest = preview.digest(act, parameters)
    return Frozen(act, dict(parameters), digest, secrets.token_hex(12), int((now + VALID).timestamp()))


def opened(text: str, act: str, tokens: RoleTokens, session: Session) -> Frozen:
    """Read a frozen preview.

    Raises PageError for one of another person or act.
    """
    data = tokens.verify(session.role, PURPOSE, text)
    if data is None or data["w"] != session.who or data["a"] != act:
        raise PageError(409, "This form is not one that the console made for you; open the dialog again.")
    parameters = data["p"]
    assert isinstance(parameters, dict)
    return Frozen(act, parameters, str(data["d"]), str(data["f"]), int(str(data["e"])))


def parameters_of(form: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    """The parameters of an act in a form.

    Raises PageError for one that is too long.
    """
    given = {name: form[name].strip() for name in names if form.get(name, "").strip()}
    if any(len(value) > MAX_PARAMETER for value in given.values()):
        raise PageError(400, f"a parameter has more than {MAX_PARAMETER} characters")
    return given
