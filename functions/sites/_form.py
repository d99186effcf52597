"""HTML forms: their fields, and the request that submits them.

As browsers do it: HTML standard, 4.10.21 Form control infrastructure and 4.10.22 Form submission.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

URLENCODED, MULTIPART, PLAIN = "application/x-www-form-urlencoded", "multipart/form-data", "text/plain"
BUTTONS = frozenset(("button", "reset", "submit", "image"))
# Types of `input` that are no text fields; each other type, an unknown one too, is one.
OTHER_TYPES = BUTTONS | {
    *("hidden", "password", "checkbox", "radio", "file", "range", "color", "search", "url"),
    *("date", "month", "week", "time", "datetime-local"),
}
USER = re.compile(r"user|mail|log.?in|name|ident|account|benutzer|utilisateur|usuario", re.IGNORECASE)
SIGN_IN = re.compile(r"log.?[io]n|sign.?in|session|auth|anmeld|connexion|acceso|entrar|accedi|inloggen", re.IGNORECASE)
REGISTER = re.compile(
    r"regist|sign.?up|join|create|new.?(account|user)|subscri|reset|forgot|recover|anlegen|inscri", re.IGNORECASE
)


@dataclass(slots=True)
class Control:
    """One form control."""

    kind: str
    """Type of an input or button; otherwise `select` or `textarea`."""
    name: str = ""
    value: str = ""
    form_id: str | None = None
    """Value of its attribute `form`; None without one."""
    sent: bool = True
    """Whether a submission contains it: it is enabled, and a checkbox is checked."""
    label: str = ""
    """Text of a button."""
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_text(self) -> bool:
        return self.kind not in OTHER_TYPES and self.kind not in ("select", "textarea")


@dataclass(slots=True)
class Form:
    """One form of a page, as its default button submits it."""

    action: str
    """Absolute URL; empty for an invalid one."""
    method: str
    """In lower case; `get` for an unknown one."""
    encoding: str = URLENCODED
    fields: list[tuple[str, str]] = field(default_factory=list)
    """Name and default value of each field that is sent, in the order of the page."""
    user: str = ""
    """Name of the field for the user name; empty without one."""
    password: str = ""
    """Name of the password field; empty without one."""
    likelihood: int = 0
    """How probable it is that the form signs in; comparable between the forms of a page."""

    def filled(self, user: str, password: str) -> list[tuple[str, str]]:
        """The fields with a user name and a password."""
        values = {self.user: user, self.password: password}
        return [(name, values.get(name, value)) for name, value in self.fields]

    def encode(self, fields: list[tuple[str, str]], charset: str) -> tuple[str, str]:
        """Content type and body. charset: of the page."""
        pairs = [(name, re.sub(r"\r\n|\r|\n", "\r\n", value)) for name, value in fields]
        if self.encoding == MULTIPART:
            from urllib3 import encode_multipart_formdata

            body, content_type = encode_multipart_formdata(pairs)
            return content_type, body.decode()
        if self.encoding == PLAIN:
            return PLAIN, "".join(f"{name}={value}\r\n" for name, value in pairs)
        # A character that the charset lacks is sent as a numeric reference.
        return URLENCODED, urlencode(pairs, encoding=charset, errors="xmlcharrefreplace")


def form_of(attributes: Mapping[str, str], controls: list[Control]) -> Form:
    """Form of attributes and controls; its action may be relative."""
    passwords = [each for each in controls if each.kind == "password" and each.sent and each.name]
    password = _password(passwords)
    user = _user_field(controls, password)
    button = next((each for each in controls if each.kind in ("submit", "image")), None)
    overrides = button.attributes if button and button.sent else {}
    action = overrides.get("formaction") or attributes.get("action", "")
    method = (overrides.get("formmethod") or attributes.get("method", "")).lower()
    encoding = (overrides.get("formenctype") or attributes.get("enctype", "")).lower()
    return Form(
        action=action,
        method=method if method in ("post", "dialog") else "get",
        encoding=encoding if encoding in (MULTIPART, PLAIN) else URLENCODED,
        fields=[pair for each in controls for pair in _entries(each, button)],
        user=user.name if user else "",
        password=password.name if password else "",
        likelihood=_likelihood(attributes, controls, passwords, button) if password else -100,
    )


def _password(passwords: list[Control]) -> Control | None:
    declared = (each for each in passwords if "current-password" in each.attributes.get("autocomplete", "").lower())
    return next(declared, passwords[0] if passwords else None)


def _user_field(controls: list[Control], password: Control | None) -> Control | None:
    """The field for the user name, by its declaration and its place."""
    at = next((number for number, each in enumerate(controls) if each is password), len(controls))
    texts = [(number, each) for number, each in enumerate(controls) if each.is_text and each.sent and each.name]
    ranked = [(_user_rank(number, each, at), each) for number, each in texts]
    return max(ranked, key=lambda one: one[0])[1] if ranked else None


def _user_rank(number: int, control: Control, password_at: int) -> tuple[bool, bool, bool, bool, bool, int]:
    """Probability of a text field for the user name, comparable."""
    purposes = set(control.attributes.get("autocomplete", "").lower().split())
    called = f"{control.name} {control.attributes.get('id', '')} {control.kind}"
    return (
        bool(purposes & {"username", "email", "webauthn"}),
        not control.value,
        number < password_at,
        control.kind == "email",
        USER.search(called[:200]) is not None,
        # The nearest one to the password.
        -abs(password_at - number),
    )


def _entries(control: Control, button: Control | None) -> list[tuple[str, str]]:
    """The pairs that a control adds to a submission."""
    if not control.sent or (control.kind in BUTTONS and control is not button):
        return []
    if control.kind == "image":
        prefix = f"{control.name}." if control.name else ""
        return [(f"{prefix}x", "0"), (f"{prefix}y", "0")]
    if not control.name:
        return []
    if control.kind == "file":
        return [(control.name, "")]
    if control.kind == "hidden" and control.name.lower() == "_charset_":
        return [(control.name, control.value or "UTF-8")]
    return [(control.name, control.value)]


def _likelihood(
    attributes: Mapping[str, str], controls: list[Control], passwords: list[Control], button: Control | None
) -> int:
    """Probability that a form signs in, and does not register."""
    hints = [attributes.get(name, "") for name in ("action", "id", "name", "class", "aria-label")]
    if button:
        hints += [button.label, button.value, button.attributes.get("id", ""), button.attributes.get("formaction", "")]
    text = " ".join(hint[:200] for hint in hints)
    purposes = " ".join(each.attributes.get("autocomplete", "").lower() for each in passwords)
    texts = sum(each.is_text and each.sent for each in controls)
    return (
        8 * ("current-password" in purposes)
        - 8 * ("new-password" in purposes)
        - 6 * (len(passwords) > 1)
        + 3 * bool(SIGN_IN.search(text))
        - 3 * bool(REGISTER.search(text))
        - min(2, abs(texts - 1))
    )
